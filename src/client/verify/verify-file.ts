/** Compares a file with what a server serves of an artifact as one file: its zip, or the file of
 *  a raw artifact. */
import type { WireArtifact } from '../../api/messages.ts'
import { formatWireDigest } from '../../core/bytes/digest.ts'
import { zipDigestOf } from '../artifacts.ts'
import { digestOfFile } from '../files/digest-of-file.ts'
import { onlyFile } from '../find-entry.ts'
import type { ServerAccess } from '../transport/http.ts'
import { type Attestation, attestedName } from './attestation.ts'

export interface VerifyFileOptions {
  /** An attestation needs no server; the file may be any file of it. */
  artifact: WireArtifact | Attestation
  file: string
  signal?: AbortSignal
  /** Called with the number of bytes read so far. */
  onProgress?(doneBytes: number): void
}

/** Digests in wire form; the file matches when they are equal. */
export interface VerifyFileResult {
  /** Null when no attested file matches. */
  expected: string | null
  found: string
  /** Name of the attested file that matches. */
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
