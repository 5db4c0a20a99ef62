/** Compares a file with what a server hands out of an artifact as one file: its zip, or of one that is no archive the file. */
import type { WireArtifact } from '../../api/messages.ts'
import { formatWireDigest } from '../../core/digest.ts'
import { digestOfFile } from '../files/digest-of-file.ts'
import { onlyFile } from '../find-entry.ts'
import type { ServerAccess } from '../transport/http.ts'
import { zipDigestOf } from '../zip-digest.ts'
import { type Attestation, attestedName } from './attestation.ts'

export interface VerifyFileOptions {
  /** What is attested of one takes no server; any file of it will do. */
  artifact: WireArtifact | Attestation
  file: string
  signal?: AbortSignal
  /** Told how many bytes have been read. */
  onProgress?(doneBytes: number): void
}

/** Digests as they are written in messages; the file is as it should be when they are the same. */
export interface VerifyFileResult {
  /** Null where nothing that is attested is like the file. */
  expected: string | null
  found: string
  /** Which of what is attested is like the file. */
  name?: string
}

/** Errors: not_found (the digest of the zip is not known), FileError, and those of `openAnswer`. */
export async function verifyFile(
  server: ServerAccess,
  { artifact, file, signal = new AbortController().signal, onProgress }: VerifyFileOptions,
): Promise<VerifyFileResult> {
  const known = 'tree' in artifact ? null : await expectedDigest(server, artifact, signal)
  let doneBytes = 0
  const onBytes = (count: number): void => {
    doneBytes += count
    onProgress?.(doneBytes)
  }
  const digest = await digestOfFile(file, { signal, onBytes })
  const found = formatWireDigest(digest)
  const name = 'tree' in artifact ? attestedName(artifact, digest) : undefined
  return name === undefined ? { expected: known, found } : { expected: found, found, name }
}

/** Errors: those of `verifyFile`. */
async function expectedDigest(
  server: ServerAccess,
  artifact: WireArtifact,
  signal: AbortSignal,
): Promise<string> {
  if (artifact.kind !== 'raw') return zipDigestOf(artifact)
  return (await onlyFile(server, artifact, signal)).digest
}
