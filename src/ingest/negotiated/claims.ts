/** Leases blobs that a client names by digest; what cannot be leased is missing (invariants 2 and
 *  10). */
import type { Digest } from '../../core/bytes/digest.ts'
import { lengthMismatch } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import type { IngestPorts } from '../session.ts'

export interface Claims {
  add(ordinal: number, file: { digest: Digest; sizeBytes: number; path: string }): Promise<void>
  /** Ordinals whose blobs the project cannot read and the session has not sent. */
  missing(): Promise<number[]>
}

/** Leases blobs in batches.
 *  Errors: length_mismatch, when a file's size differs from that of the blob with its digest. */
export function createClaims(
  { metadata }: Pick<IngestPorts, 'metadata'>,
  sessionId: string,
): Claims {
  const missing: number[] = []
  let batch: { ordinal: number; file: { digest: Digest; sizeBytes: number; path: string } }[] = []
  const flush = async (): Promise<void> => {
    const asked = batch
    batch = []
    const digests = [...new Set(asked.map(({ file }) => file.digest))]
    const known = new Map<Digest, number>()
    for (const blob of await metadata.claimReadableBlobs(sessionId, digests))
      known.set(blob.digest, blob.sizeBytes)
    for (const { ordinal, file } of asked) {
      const sizeBytes = known.get(file.digest)
      if (sizeBytes === undefined) missing.push(ordinal)
      else if (sizeBytes !== file.sizeBytes) throw wrongLength(file, sizeBytes)
    }
  }
  return {
    add: async (ordinal, file) => {
      batch.push({ ordinal, file })
      if (batch.length >= limits.transactionRowsMax) await flush()
    },
    missing: async () => {
      if (batch.length > 0) await flush()
      return missing
    },
  }
}

function wrongLength(file: { path: string; sizeBytes: number }, actualBytes: number): Error {
  return lengthMismatch(
    `${file.path} was announced with ${file.sizeBytes} bytes, but its digest is that of ${actualBytes} bytes`,
    actualBytes,
    file.sizeBytes,
  )
}
