/** `GET /projects`: the projects that the token may read, with their sizes. */
import type { Hono } from 'hono'
import type { WireProjectList } from '../../api/admin-messages.ts'
import { projectPagePath, projectsPath } from '../../api/paths.ts'
import { projectListQuery, type projectOrders } from '../../api/queries.ts'
import { mayReadProject } from '../../auth/principal.ts'
import type { Project, ProjectSize } from '../../metadata/metadata.ts'
import { readableProjects } from '../access/access.ts'
import { requirePrincipal } from '../access/authenticate.ts'
import { instant } from '../instant.ts'
import { sendJson } from '../body/gzip.ts'
import { type AppContext, type AppEnv, publicOrigin } from '../context.ts'
import { linkNext, parseOffsetCursor, parseQuery } from '../input.ts'

export type ProjectOrder = (typeof projectOrders)[number]

export interface SizedProject {
  project: Project
  size: Omit<ProjectSize, 'projectId'>
}

export function addProjectListRoutes(app: Hono<AppEnv>, context: AppContext): void {
  app.get(projectsPath, async (c) => {
    const principal = await requirePrincipal(context, c)
    const { name, sort, limit, cursor } = parseQuery(c, projectListQuery)
    const readable = await readableProjects(context, principal)
    // The token of one run may know its project, but not what other runs hold.
    const open = readable.filter((project) => mayReadProject(principal, project.name))
    const projects = await sizedProjects(context, projectsNamed(open, name ?? ''), sort)
    const first = parseOffsetCursor(cursor) ?? 0
    const end = first + limit
    const origin = publicOrigin(context, c)
    const items = projects.slice(first, end).map((each) => projectItem(each, origin))
    const nextCursor = linkNext(context, c, end < projects.length ? end : null)
    return await sendJson(c, { items, nextCursor, total: projects.length })
  })
}

/** The projects whose names contain the text, whatever its case. */
export function projectsNamed(projects: Project[], text: string): Project[] {
  const sought = text.toLowerCase()
  return projects.filter(({ name }) => name.toLowerCase().includes(sought))
}

const figureOf = { artifacts: 'artifacts', size: 'logicalBytes', unique: 'chunkBytes' } as const

/** In the given order, or the largest first. */
export async function sizedProjects(
  { metadata }: Pick<AppContext, 'metadata'>,
  projects: Project[],
  order: ProjectOrder,
): Promise<SizedProject[]> {
  const sizes = new Map((await metadata.listProjectSizes()).map((each) => [each.projectId, each]))
  // A project that was created after its list was read has no artifacts in it yet.
  const sized = projects.map((project) => ({ project, size: sizes.get(project.id) ?? empty }))
  if (order === 'name') return sized
  const figure = figureOf[order]
  return sized.toSorted((a, b) => b.size[figure] - a.size[figure])
}

const empty = { artifacts: 0, files: 0, logicalBytes: 0, chunkBytes: 0 }

function projectItem(
  { project: { name, createdAt }, size }: SizedProject,
  origin: string,
): WireProjectList['items'][number] {
  return {
    name,
    artifacts: size.artifacts,
    files: size.files,
    logicalBytes: size.logicalBytes,
    dedupedBytes: size.chunkBytes,
    createdAt: instant(createdAt),
    links: { html: origin + projectPagePath(name) },
  }
}
