/** Uploads and downloads artifacts in one piece: a raw file, or an archive that stays packed. */
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import type { WireArtifact } from '../api/messages.ts'
import { archivePath, uploadPath } from '../api/paths.ts'
import { compileSelection, joinPathGlobs } from '../core/glob/path-glob.ts'
import { saveAs } from './files/save-as.ts'
import { requestJson, type ServerAccess } from './transport/http.ts'
import { readResumed } from './transport/resumed-body.ts'

export interface FileUpload {
  /** `owner/repo`. */
  project: string
  run: number
  /** Name of the artifact, and of the file in it. */
  name: string
  /** Absolute path. */
  sourcePath: string
  /** Undefined: the server's default. */
  retentionDays: number | undefined
  overwrite: boolean
  signal: AbortSignal
}

/** Uploads one file as a raw artifact. Errors: name_taken, and those of `openAnswer`. */
export async function uploadFile(server: ServerAccess, upload: FileUpload): Promise<WireArtifact> {
  const { project, run, name, sourcePath, retentionDays, overwrite, signal } = upload
  // The server accepts an empty body only if its length is announced.
  const isEmpty = (await stat(sourcePath)).size === 0
  const request = {
    method: 'PUT' as const,
    path: uploadPath(project, run, name),
    query: { filename: name, retentionDays, overwrite },
    // An archive type would make the server unpack it.
    headers: { 'content-type': 'application/octet-stream' },
    body: isEmpty ? new Uint8Array() : () => createReadStream(sourcePath),
    signal,
  }
  return await requestJson(server, request, ['id', 'state'])
}

/** Streams an artifact's archive, or the part of it that `paths` match. Errors: invalid_request
 *  and too_large (the globs), those of `readResumed`. */
export function readArchive(
  server: ServerAccess,
  {
    artifactId,
    format,
    paths,
  }: { artifactId: number; format: 'zip' | 'tar.gz'; paths: readonly string[] },
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  // Reports bad globs before a URL of any length is sent.
  compileSelection(paths)
  const [first, ...others] = paths
  const path = first === undefined ? undefined : joinPathGlobs([first, ...others])
  const request = {
    path: archivePath(artifactId, format),
    query: { path },
    label: `the ${format} of artifact ${artifactId}`,
  }
  return readResumed(server, request, signal)
}

/** Saves an artifact's zip to a file. Errors: those of `saveAs` and `readResumed`. */
export async function saveZip(
  server: ServerAccess,
  artifactId: number,
  { target, signal }: { target: string; signal: AbortSignal },
): Promise<void> {
  const archive = readArchive(server, { artifactId, format: 'zip', paths: [] }, signal)
  await saveAs(target, archive, signal)
}
