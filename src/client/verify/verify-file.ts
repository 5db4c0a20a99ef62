/** Compares a file with what a server hands out of an artifact as one file: its zip, or of one that is no archive the file. */
import type { WireArtifact } from '../../api/messages.ts'
import { formatWireDigest } from '../../core/digest.ts'
import { digestOfFile } from '../files/digest-of-file.ts'
import { onlyFile } from '../find-entry.ts'
import type { ServerAccess } from '../transport/http.ts'
import { zipDigestOf } from '../zip-digest.ts'

export interface VerifyFileOptions {
  artifact: WireArtifact
  file: string
  signal?: AbortSignal
  /** Told how many bytes have been read. */
  onProgress?(doneBytes: number): void
}

/** Digests as they are written in messages; the file is as it should be when they are the same. */
export interface VerifyFileResult {
  expected: string
  found: string
}

/** Errors: not_found (the digest of the zip is not known), FileError, and those of `openAnswer`. */
export async function verifyFile(
  server: ServerAccess,
  { artifact, file, signal = new AbortController().signal, onProgress }: VerifyFileOptions,
): Promise<VerifyFileResult> {
  const expected =
    artifact.kind === 'raw'
      ? (await onlyFile(server, artifact, signal)).digest
      : zipDigestOf(artifact)
  let doneBytes = 0
  const onBytes = (count: number): void => {
    doneBytes += count
    onProgress?.(doneBytes)
  }
  return { expected, found: formatWireDigest(await digestOfFile(file, { signal, onBytes })) }
}
