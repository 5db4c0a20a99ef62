/** Every URL path shared by the server, its pages, its client and its commands. */
import { formatProjectPath } from '../core/run/run.ts'

export const apiRoot = '/api/v1'

/** WebDAV. */
export const davRoot = '/dav'

export function artifactPath(id: number): string {
  return `${apiRoot}/artifacts/${id}`
}

export function manifestPath(id: number): string {
  return `${artifactPath(id)}/manifest`
}

export function secretsPath(id: number): string {
  return `${artifactPath(id)}/secrets`
}

export function dismissedPath(project: string): string {
  return `${projectApiPath(project)}/dismissed-secrets`
}

export function directoryPath(id: number, directory: string): string {
  return `${artifactPath(id)}/directory${directory === '' ? '' : `?path=${encodeURIComponent(directory)}`}`
}

export function sizesPath(id: number): string {
  return `${artifactPath(id)}/sizes`
}

export function historyPath(id: number): string {
  return `${artifactPath(id)}/history`
}

export function filePath(id: number, path: string): string {
  return `${artifactPath(id)}/files/${encodePath(path)}`
}

export function archivePath(id: number, format: 'zip' | 'tar.gz'): string {
  return `${artifactPath(id)}/archive.${format}`
}

export function attestationPath(id: number): string {
  return `${artifactPath(id)}/attestation`
}

export function signedUrlPath(id: number): string {
  return `${artifactPath(id)}/signed-url`
}

export const attestationKeysPath = `${apiRoot}/attestation-keys`
export const blobPartsPath = `${apiRoot}/blobs/parts`
export const blobFetchPath = `${apiRoot}/blobs/fetch`

export function runArchivePath(run: number, project: string): string {
  return `${apiRoot}/runs/${run}/archive.zip?project=${encodeURIComponent(project)}`
}

/** A job of one attempt of a run, by its key. */
interface JobPlace {
  job: string
  attempt: number
}

export function jobLogPath(run: number, project: string, place: JobPlace): string {
  return jobPartPath(run, project, place, 'log')
}

export function jobSummaryPath(run: number, project: string, place: JobPlace): string {
  return jobPartPath(run, project, place, 'summary')
}

function jobPartPath(
  run: number,
  project: string,
  { job, attempt }: JobPlace,
  part: 'log' | 'summary',
): string {
  const query = `project=${encodeURIComponent(project)}&attempt=${attempt}`
  return `${apiRoot}/runs/${run}/jobs/${encodeURIComponent(job)}/${part}?${query}`
}

export function runRecordPath(project: string, run: number): string {
  return `${projectApiPath(project)}/runs/${run}/record`
}

export function uploadPath(project: string, run: number, name: string): string {
  return `${projectApiPath(project)}/runs/${run}/artifacts/${encodeURIComponent(name)}`
}

export const uploadCheckPath = `${apiRoot}/uploads/check`

/** Describes the token of the request. */
export const currentTokenPath = `${apiRoot}/tokens/current`

/** Revokes one token or, with a project, all of its tokens. */
export function revocationPath(project?: string): string {
  return `${project === undefined ? apiRoot : projectApiPath(project)}/tokens/revoke`
}

/** The settings of a project. */
export function projectApiPath(project: string): string {
  return `${apiRoot}/projects/${formatProjectPath(project)}`
}

/** Pages. The paths of the run and artifact pages are those that stock actions print
 *  (GITHUB-PROTOCOL §17). */
export function projectPagePath(project: string): string {
  return `/${formatProjectPath(project)}`
}

export function runPagePath(project: string, run: number): string {
  return `${projectPagePath(project)}/actions/runs/${run}`
}

export function attemptPagePath(project: string, run: number, attempt: number): string {
  return `${runPagePath(project, run)}/attempts/${attempt}`
}

export function artifactPagePath(project: string, run: number, id: number): string {
  return `${runPagePath(project, run)}/artifacts/${id}`
}

export const projectsPath = `${apiRoot}/projects`
export const auditPath = `${apiRoot}/audit`

export const searchPath = `${apiRoot}/search`

export const collectionPath = `${apiRoot}/admin/gc`

export const scrubPath = `${apiRoot}/admin/scrub`
export const backupPath = `${apiRoot}/admin/backup`
export const snapshotPath = `${apiRoot}/admin/snapshot`

export const jobsPath = `${apiRoot}/admin/jobs`

export function jobPath(id: string): string {
  return `${jobsPath}/${id}`
}

/** Escapes each segment and keeps the slashes. */
export function encodePath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/')
}
