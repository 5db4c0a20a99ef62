/** Artifacts sent and saved in one piece: a file that stays a file, an archive that stays packed. */
import { createReadStream, createWriteStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { artifactDetailSchema, type WireArtifactDetail } from '../api/messages.ts'
import { archivePath, uploadPath } from '../api/paths.ts'
import { NetworkError, openResponse, requestJson, type ServerAccess } from './http.ts'

export interface FileUpload {
  /** `owner/repo`. */
  project: string
  run: number
  /** Of the artifact, and of the file in it. */
  name: string
  /** Absolute. */
  sourcePath: string
  /** Undefined: the server's default. */
  retentionDays: number | undefined
  overwrite: boolean
  signal: AbortSignal
}

/** Uploads one file as an artifact that is no archive. Errors: name_taken, and those of `openResponse`. */
export async function uploadFile(
  server: ServerAccess,
  upload: FileUpload,
): Promise<WireArtifactDetail> {
  const { project, run, name, sourcePath, retentionDays, overwrite, signal } = upload
  const request = {
    method: 'PUT' as const,
    path: uploadPath(project, run, name),
    query: { filename: name, retentionDays, overwrite },
    // A declared archive would be taken apart.
    headers: { 'content-type': 'application/octet-stream' },
    body: () => createReadStream(sourcePath),
    signal,
  }
  return await requestJson(server, request, artifactDetailSchema)
}

/** Writes an artifact's zip to a file. Errors: those of `openResponse`; NetworkError when the transfer breaks. */
export async function saveZip(
  server: ServerAccess,
  artifactId: number,
  { target, signal }: { target: string; signal: AbortSignal },
): Promise<void> {
  const { body } = await openResponse(server, { path: archivePath(artifactId, 'zip'), signal })
  try {
    await pipeline(body ?? new ReadableStream(), createWriteStream(target), { signal })
  } catch (error) {
    signal.throwIfAborted()
    // fetch reports a cut connection as a TypeError; anything else comes from the file system.
    if (!(error instanceof TypeError)) throw error
    throw new NetworkError(`the download of ${target} broke off`, { cause: error })
  }
}
