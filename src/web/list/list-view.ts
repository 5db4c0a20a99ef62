/** What the list of a project's artifacts shows, and its filters as query parameters and form
 *  fields. */
import type { ArtifactSort } from '../../core/manifest/artifact-order.ts'
import { parsePositiveInteger } from '../../core/run/run.ts'
import type { Field } from '../parts/form.tsx'
import type { Artifact, ArtifactFilter, ArtifactSums, Project } from '../../metadata/metadata.ts'

/** With their labels. */
export const sorts: readonly (readonly [ArtifactSort, string])[] = [
  ['newest', 'newest first'],
  ['oldest', 'oldest first'],
  ['largest', 'largest first'],
  ['costliest', 'most new bytes first'],
  ['expiring', 'expiring soonest first'],
  ['name', 'by name'],
]
export const states = ['damaged', 'expired', 'deleted', 'any'] as const
/** Not a state, but offered in the same filter. */
export const withSecrets = 'secrets'

export interface ListQuery {
  name: string
  branch: string
  run: string
  /** '': live artifacts. */
  state: string
  pinned: string
  sort: ArtifactSort
}

export interface ListView {
  project: Project
  query: ListQuery
  branches: string[]
  artifacts: Artifact[]
  /** Over all artifacts that match. */
  sums: ArtifactSums
  pageNumber: number
  pageCount: number
  mayInspect: boolean
  mayWrite: boolean
  /** How long a deletion can be undone. */
  undoMs: number
  now: number
}

/** The filters as query parameters. */
export function queryOf(query: ListQuery): Record<string, string> {
  return { ...query, sort: query.sort === 'newest' ? '' : query.sort }
}

/** The filters as hidden fields of a form, which redirects back to the same list. */
export function filterFields(query: ListQuery): Field[] {
  return Object.entries(queryOf(query)).map(([name, value]) => [`filter.${name}`, value])
}

const keptFilters = new Map<string, ArtifactFilter>([
  ['1', { pinned: true }],
  ['latest', { keptLatest: true }],
  ['0', { pinned: false, keptLatest: false }],
])

export function readQuery(read: (name: string) => string): ListQuery {
  const sort = sorts.find(([each]) => each === read('sort'))?.[0] ?? 'newest'
  return {
    name: read('name'),
    branch: read('branch'),
    run: read('run'),
    state: [...states, withSecrets].find((each) => each === read('state')) ?? '',
    pinned: keptFilters.has(read('pinned')) ? read('pinned') : '',
    sort,
  }
}

/** Errors: invalid_request. */
export function filterOf(project: Project, query: ListQuery): ArtifactFilter {
  return {
    projectId: project.id,
    nameContains: query.name || undefined,
    branch: query.branch || undefined,
    run: query.run === '' ? undefined : parsePositiveInteger(query.run, 'run'),
    ...keptFilters.get(query.pinned),
    state: states.find((each) => each === query.state),
    secrets: query.state === withSecrets || undefined,
  }
}
