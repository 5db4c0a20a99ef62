/** Addresses of pages beyond those that the native API shares (api/paths.ts). */
import { artifactPagePath, encodePath, projectPagePath } from '../api/paths.ts'

/** What names an artifact's pages. */
export interface ArtifactPlace {
  project: string
  runNumber: number
  id: number
}

export type ArtifactTab = 'files' | 'changes' | 'used' | 'details'

/** Of an artifact; its pages and forms are below it. */
export const artifactRoute = '/:owner/:repo/actions/runs/:run{[0-9]+}/artifacts/:id{[0-9]+}'

export function artifactPath({ project, runNumber, id }: ArtifactPlace): string {
  return artifactPagePath(project, runNumber, id)
}

export function tabPath(artifact: ArtifactPlace, tab: ArtifactTab): string {
  return tab === 'files' ? artifactPath(artifact) : `${artifactPath(artifact)}/${tab}`
}

/** '' is the root. */
export function treePath(artifact: ArtifactPlace, directory: string, from?: string): string {
  const path =
    directory === ''
      ? artifactPath(artifact)
      : `${artifactPath(artifact)}/tree/${encodePath(directory)}`
  return from === undefined ? path : `${path}?from=${encodeURIComponent(from)}`
}

export function blobPath(artifact: ArtifactPlace, path: string): string {
  return `${artifactPath(artifact)}/blob/${encodePath(path)}`
}

/** The newest of that name on that branch, whichever that is; '' is its root. */
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
  action: 'delete' | 'undo' | 'keep' | 'expire' | 'secrets' | 'compare' | 'go' | 'paths',
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

/** Of all, or of a name on a branch. */
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

/** Null: of all projects. */
export function auditPagePath(project: string | null, query: Record<string, string> = {}): string {
  return withQuery(project === null ? '/admin/audit' : `${settingsPath(project)}/audit`, query)
}

/** Null: of all projects. */
export function tokensPagePath(project: string | null, query: Record<string, string> = {}): string {
  return withQuery(project === null ? '/admin/tokens' : `${settingsPath(project)}/tokens`, query)
}

export function uploadPagePath(project: string): string {
  return `${projectPagePath(project)}/upload`
}

/** With the job to show, if any. */
export function maintenancePath(job: string = ''): string {
  return withQuery('/admin/maintenance', { job })
}

/** Empty values are left out. */
export function withQuery(path: string, query: Record<string, string>): string {
  const given = Object.entries(query).filter(([, value]) => value !== '')
  return given.length === 0 ? path : `${path}?${new URLSearchParams(given).toString()}`
}
