/** The storage pages of the whole store and of one project. */
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { dayMs } from '../../core/units.ts'
import type { AppContext, AppRequest } from '../../http/context.ts'
import { requireAdmin } from '../../http/access/access.ts'
import { explainDeletion } from '../../lifecycle/collect/deletion.ts'
import type { ArtifactFilter, StoreFigures, UsagePoint } from '../../metadata/metadata.ts'
import { usageOfProject, usageOfStore } from '../../stats/usage.ts'
import { headingOf, inspectedProjectOfPage } from '../page-access.ts'
import type { Web } from '../page.tsx'
import { sendSlowPage } from '../slow-page.tsx'
import { Costliest, type MeasuredArtifact, StoragePage, type StorageView } from './storage-page.tsx'

const historyMs = 90 * dayMs
const exclusiveShown = 10

export async function storeStorage(web: Web, c: AppRequest): Promise<Response> {
  const { context } = web
  await requireAdmin(context, c)
  const now = context.now()
  const figures = await context.metadata.figures()
  const { dataDir, packBucket, storeQuotaBytes } = context.config
  const disk = { ...(await context.space.measure()), databaseBytes: await databaseBytes(dataDir) }
  return await sendStorage(web, c, {
    project: null,
    mayWrite: false,
    usage: usageOfStore(figures),
    points: await usagePoints(context, null, { ...figures, at: now }),
    disk,
    // A bucket has no known bound.
    freeBytes: packBucket === null ? disk.freeBytes : Number.POSITIVE_INFINITY,
    quotaBytes: storeQuotaBytes,
    now,
  })
}

/** Of the database and its log. */
async function databaseBytes(directory: string): Promise<number> {
  const names = (await readdir(directory)).filter((name) => name.startsWith('trove.db'))
  const sizes = await Promise.all(
    names.map(async (name) => (await stat(join(directory, name))).size),
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}

export async function projectStorage(web: Web, c: AppRequest): Promise<Response> {
  const { context } = web
  const { project, mayWrite } = await inspectedProjectOfPage(context, c)
  const now = context.now()
  const figures = await context.metadata.projectFigures(project.id)
  return await sendStorage(web, c, {
    project,
    mayWrite,
    usage: usageOfProject(figures),
    points: await usagePoints(context, project.id, { ...figures, storedBytes: 0, at: now }),
    disk: null,
    freeBytes: null,
    quotaBytes: project.quotaBytes ?? context.config.projectQuotaBytes,
    now,
  })
}

/** What deletions would free takes a while, and is at the end. */
async function sendStorage(web: Web, c: AppRequest, view: StorageView): Promise<Response> {
  const { project } = view
  const filter = project === null ? {} : { projectId: project.id }
  return await sendSlowPage(web, c, {
    ...headingOf('Storage', project && project.name),
    frame: (part) => <StoragePage {...view}>{part}</StoragePage>,
    waiting: 'Calculating what deleting the costliest artifacts would free…',
    part: async () => (
      <Costliest
        artifacts={await mostExclusive(web.context, filter, c.req.raw.signal)}
        isOfProject={project !== null}
      />
    ),
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

/** What deleting each of the costliest artifacts would free; the largest gain first. */
async function mostExclusive(
  { metadata, now, checkpoint }: AppContext,
  filter: ArtifactFilter,
  signal: AbortSignal,
): Promise<MeasuredArtifact[]> {
  const at = now()
  // Artifacts that added the most new bytes also hold the most exclusive bytes, with few
  // exceptions.
  const page = { limit: exclusiveShown, offset: 0, sort: 'costliest', now: at } as const
  const artifacts = await metadata.findArtifacts(filter, page)
  await checkpoint?.('measuring')
  const measured: MeasuredArtifact[] = []
  for (const artifact of artifacts) {
    signal.throwIfAborted()
    measured.push({ artifact, ...(await explainDeletion(metadata, [artifact.id], at)) })
  }
  return measured.toSorted((a, b) => b.freedBytes - a.freedBytes || b.sharedBytes - a.sharedBytes)
}
