/** The storage pages of the whole store and of one project. */
import { statfs } from 'node:fs/promises'
import type { Config } from '../../config/config.ts'
import { dayMs } from '../../core/units.ts'
import type { AppContext, AppRequest } from '../../http/context.ts'
import { requireAdmin } from '../../http/access/access.ts'
import { explainDeletion } from '../../lifecycle/collect/deletion.ts'
import type { ArtifactFilter, StoreFigures, UsagePoint } from '../../metadata/metadata.ts'
import { usageOfProject, usageOfStore } from '../../stats/usage.ts'
import { crumbsOf, inspectedProjectOfPage } from '../page-access.ts'
import { sendPage, type Web } from '../page.tsx'
import { StoragePage, type StorageView } from './storage-page.tsx'

const historyMs = 90 * dayMs
const exclusiveShown = 10

export async function storeStorage(web: Web, c: AppRequest): Promise<Response> {
  const { context } = web
  await requireAdmin(context, c)
  const now = context.now()
  const figures = await context.metadata.figures()
  const view: StorageView = {
    project: null,
    mayWrite: false,
    usage: usageOfStore(figures),
    points: await usagePoints(context, null, { ...figures, at: now }),
    exclusive: await mostExclusive(context, {}),
    freeBytes: await freeBytes(context.config),
    quotaBytes: context.config.storeQuotaBytes,
    now,
  }
  return await sendPage(web, c, { title: 'Storage', body: <StoragePage {...view} /> })
}

/** How many bytes packs can grow; a bucket has no known bound. */
async function freeBytes({ dataDir, packBucket }: Config): Promise<number> {
  if (packBucket !== null) return Number.POSITIVE_INFINITY
  const { bavail, bsize } = await statfs(dataDir)
  return bavail * bsize
}

export async function projectStorage(web: Web, c: AppRequest): Promise<Response> {
  const { context } = web
  const { project, mayWrite } = await inspectedProjectOfPage(context, c)
  const now = context.now()
  const figures = await context.metadata.projectFigures(project.id)
  const view: StorageView = {
    project: project.name,
    mayWrite,
    usage: usageOfProject(figures),
    points: await usagePoints(context, project.id, { ...figures, storedBytes: 0, at: now }),
    exclusive: await mostExclusive(context, { projectId: project.id }),
    freeBytes: null,
    quotaBytes: project.quotaBytes ?? context.config.projectQuotaBytes,
    now,
  }
  return await sendPage(web, c, {
    title: `Storage · ${project.name}`,
    crumbs: crumbsOf({ project: project.name }),
    body: <StoragePage {...view} />,
  })
}

/** The recorded usage within the window, and the current one. */
async function usagePoints(
  { metadata }: AppContext,
  projectId: number | null,
  present: UsagePoint & Partial<StoreFigures>,
): Promise<UsagePoint[]> {
  const since = present.at - historyMs
  const noted = await metadata.listUsage(projectId, since)
  // The last point before the window is the value at its start.
  const inside = noted.map((point) => ({ ...point, at: Math.max(since, point.at) }))
  return [...inside.filter(({ at }) => at < present.at), present]
}

async function mostExclusive(
  { metadata, now }: AppContext,
  filter: ArtifactFilter,
): Promise<StorageView['exclusive']> {
  const at = now()
  // Artifacts that added the most new bytes also hold the most exclusive bytes, with few
  // exceptions.
  const page = { limit: exclusiveShown, offset: 0, sort: 'costliest', now: at } as const
  const artifacts = await metadata.findArtifacts(filter, page)
  const exclusive: StorageView['exclusive'] = []
  for (const artifact of artifacts)
    exclusive.push({ artifact, ...(await explainDeletion(metadata, [artifact.id], at)) })
  return exclusive.toSorted((a, b) => b.freedBytes - a.freedBytes || b.sharedBytes - a.sharedBytes)
}
