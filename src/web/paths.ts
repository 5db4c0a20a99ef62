/** Addresses of pages, except those that the native API also uses (api/paths.ts). */
import {
  archivePath,
  artifactPagePath,
  attemptPagePath,
  encodePath,
  projectPagePath,
} from '../api/paths.ts'

/** What the address of an artifact's pages is made of. */
export interface ArtifactPlace {
  project: string
  runNumber: number
  id: number
}

export type ArtifactTab = 'files' | 'sizes' | 'changes' | 'used' | 'details'

/** Route of an artifact; its pages and forms are below it. */
export const artifactRoute = '/:owner/:repo/actions/runs/:run{[0-9]+}/artifacts/:id{[0-9]+}'

export function artifactPath({ project, runNumber, id }: ArtifactPlace): string {
  return artifactPagePath(project, runNumber, id)
}

export function tabPath(artifact: ArtifactPlace, tab: ArtifactTab): string {
  return tab === 'files' ? artifactPath(artifact) : `${artifactPath(artifact)}/${tab}`
}

/** Page of a directory; '' is the root. `from`: the first entry to show. */
export function treePath(artifact: ArtifactPlace, directory: string, from?: string): string {
  const path =
    directory === ''
      ? artifactPath(artifact)
      : `${artifactPath(artifact)}/tree/${encodePath(directory)}`
  return from === undefined ? path : `${path}?from=${encodeURIComponent(from)}`
}

/** '' is the root. */
export function sizesPagePath(artifact: ArtifactPlace, directory: string): string {
  const path = tabPath(artifact, 'sizes')
  return directory === '' ? path : `${path}/${encodePath(directory)}`
}

export function blobPath(artifact: ArtifactPlace, path: string): string {
  return `${artifactPath(artifact)}/blob/${encodePath(path)}`
}

/** Address of an archive of an artifact, or of a directory and all below it. `intact`: without
 *  damaged files, which would make it fail. */
export function archivePartPath(
  id: number,
  format: 'zip' | 'tar.gz',
  { directory = '', intact = false }: { directory?: string; intact?: boolean },
): string {
  const path = directory === '' ? '' : `${directory.replaceAll(globCharacters, '\\$&')}/**`
  return withQuery(archivePath(id, format), { path, intact: intact ? '1' : '' })
}

/** Characters with a meaning in path-glob.ts. */
const globCharacters = /[*?[\]{}!,\\]/g

export function historyPagePath(artifact: ArtifactPlace, path: string): string {
  return `${artifactPath(artifact)}/history/${encodePath(path)}`
}

/** Address that redirects to the newest artifact of a name on a branch; a `path` of '' is its
 *  root. */
export function latestPath(
  project: string,
  { branch, name }: { branch: string; name: string },
  path = '',
): string {
  const below = path === '' ? '' : `/${encodePath(path)}`
  const latest = `${encodeURIComponent(branch)}/${encodeURIComponent(name)}`
  return `${projectPagePath(project)}/latest/${latest}${below}`
}

export function actionPath(
  artifact: ArtifactPlace,
  action: 'delete' | 'undo' | 'keep' | 'expire' | 'secrets' | 'go' | 'paths',
): string {
  return `${artifactPath(artifact)}/${action}`
}

export function comparePath(project: string, baseId: number, headId: number): string {
  return `${projectPagePath(project)}/compare/${baseId}...${headId}`
}

export function listPath(project: string, query: Record<string, string> = {}): string {
  return withQuery(`${projectPagePath(project)}/artifacts`, query)
}

export function searchPagePath(project: string, query: Record<string, string> = {}): string {
  return withQuery(`${projectPagePath(project)}/search`, query)
}

/** Trends of the whole project, or of one artifact name on a branch. */
export function trendsPath(project: string, place?: { name: string; branch: string }): string {
  return withQuery(`${projectPagePath(project)}/trends`, { ...place })
}

export function storagePath(project: string): string {
  return `${projectPagePath(project)}/storage`
}

export function settingsPath(project: string): string {
  return `${projectPagePath(project)}/settings`
}

export function retentionPath(project: string): string {
  return `${settingsPath(project)}/retention`
}

/** `project` null: all projects. */
export function auditPagePath(project: string | null, query: Record<string, string> = {}): string {
  return withQuery(project === null ? '/admin/audit' : `${settingsPath(project)}/audit`, query)
}

/** `project` null: all projects. */
export function tokensPagePath(project: string | null, query: Record<string, string> = {}): string {
  return withQuery(project === null ? '/admin/tokens' : `${settingsPath(project)}/tokens`, query)
}

export function uploadPagePath(project: string): string {
  return `${projectPagePath(project)}/upload`
}

/** `job`: the maintenance job to show, if any. */
export function maintenancePath(job: string = ''): string {
  return withQuery('/admin/maintenance', { job })
}

/** Page of a job, by its key: its annotations and its summary. */
export function jobPagePath(
  { project, number, attempt }: { project: string; number: number; attempt: number },
  key: string,
): string {
  return `${attemptPagePath(project, number, attempt)}/jobs/${encodeURIComponent(key)}`
}

/** Appends the query; omits empty values. */
export function withQuery(path: string, query: Record<string, string>): string {
  const given = Object.entries(query).filter(([, value]) => value !== '')
  return given.length === 0 ? path : `${path}?${new URLSearchParams(given).toString()}`
}

/** What the visitor may do, and tokens for their commands. */
export const accountPath = '/account'
