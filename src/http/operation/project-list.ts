/** `GET /projects`: the projects that the token may read, with their sizes. */
import type { Hono } from 'hono'
import * as z from 'zod'
import type { WireProjectList } from '../../api/admin-messages.ts'
import { projectPagePath, projectsPath } from '../../api/paths.ts'
import { projectListQuery, type projectOrders } from '../../api/queries.ts'
import { mayReadProject, type Principal } from '../../auth/principal.ts'
import type { SizedProject } from '../../metadata/metadata.ts'
import { walkReadableProjects } from '../access/access.ts'
import { requirePrincipal } from '../access/authenticate.ts'
import { instant } from '../instant.ts'
import { sendJson } from '../body/gzip.ts'
import { type AppContext, type AppEnv, publicOrigin } from '../context.ts'
import { linkNext, parseCursor, parseQuery, position } from '../input.ts'

export type ProjectOrder = (typeof projectOrders)[number]

export function addProjectListRoutes(app: Hono<AppEnv>, context: AppContext): void {
  app.get(projectsPath, async (c) => {
    const principal = await requirePrincipal(context, c)
    const { name = '', sort, limit, cursor } = parseQuery(c, projectListQuery)
    const page = { limit, sort, place: placeOf(cursor) }
    const { projects, total, next } = await findPage(context, principal, name, page)
    const origin = publicOrigin(context, c)
    const items = projects.map((each) => projectItem(each, origin))
    return await sendJson(c, { items, nextCursor: linkNext(context, c, next), total })
  })
}

interface Place {
  offset: number
  /** Counted for the first page, and part of the cursor since then. */
  total: number | undefined
  /** Id of the last project before the page. */
  after: number
}

function placeOf(cursor: string | undefined): Place {
  if (cursor === undefined) return { offset: 0, total: undefined, after: 0 }
  const [offset, total, after] = parseCursor(cursor, z.tuple([position, position, position]))
  return { offset, total, after }
}

interface ProjectPage {
  projects: SizedProject[]
  total: number
  next: number[] | null
}

/** By name, a page after the first reads what it shows: by size, each page compares all. */
async function findPage(
  context: AppContext,
  principal: Principal,
  name: string,
  { limit, sort, place }: { limit: number; sort: ProjectOrder; place: Place },
): Promise<ProjectPage> {
  const { offset } = place
  const isContinued = sort === 'name' && place.total !== undefined
  const found: SizedProject[] = []
  const isNamed = isNamedLike(name)
  const walk = walkReadableProjects(context, principal, isContinued ? place.after : 0)
  for await (const project of walk) {
    // The token of one run may know its project, but not what other runs hold.
    if (mayReadProject(principal, project.name) && isNamed(project)) found.push(project)
    if (isContinued && found.length > limit) break
  }
  const first = isContinued ? 0 : offset
  const projects = inOrder(found, sort).slice(first, first + limit)
  const total = place.total ?? found.length
  const isMore = found.length > first + limit
  return { projects, total, next: isMore ? [offset + limit, total, projects.at(-1)!.id] : null }
}

/** Whether the name contains the text, whatever its case. */
export function isNamedLike(text: string): (project: SizedProject) => boolean {
  const sought = text.toLowerCase()
  return ({ name }) => name.toLowerCase().includes(sought)
}

const figureOf = { artifacts: 'artifacts', size: 'logicalBytes', unique: 'chunkBytes' } as const

/** Projects, given by name, in the given order, or the largest first. */
export function inOrder(projects: SizedProject[], order: ProjectOrder): SizedProject[] {
  if (order === 'name') return projects
  const figure = figureOf[order]
  return projects.toSorted((a, b) => b[figure] - a[figure])
}

function projectItem(
  { name, createdAt, ...size }: SizedProject,
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
