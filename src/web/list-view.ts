/** What the list of a project's artifacts shows, and by what it is narrowed. */
import type { Artifact, ArtifactSort, ArtifactSums, Project } from '../metadata/metadata.ts'

export interface ListQuery {
  name: string
  branch: string
  run: string
  /** '' is live ones. */
  state: string
  pinned: string
  sort: ArtifactSort
}

export interface ListView {
  project: Project
  query: ListQuery
  branches: string[]
  artifacts: Artifact[]
  /** Over all that match. */
  sums: ArtifactSums
  pageNumber: number
  pageCount: number
  mayWrite: boolean
  /** How long a deletion can be taken back. */
  undoMs: number
  now: number
}

/** As it stands in addresses. */
export function queryOf(query: ListQuery): Record<string, string> {
  return { ...query, sort: query.sort === 'newest' ? '' : query.sort }
}
