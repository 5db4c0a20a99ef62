/** Large files as lists of parts; the answer says which parts must be sent. A file's digest is
 *  verified later, from its bytes. */
import type { Readable } from 'node:stream'
import { encodeOrdinals, listBytesMax, readComposite } from '../../core/bytes/blob-exchange.ts'
import type { Composite } from '../../core/bytes/copy.ts'
import type { Digest } from '../../core/bytes/digest.ts'
import { limits } from '../../core/limits.ts'
import { slicesOf } from '../../core/slices.ts'
import { createByteReader } from '../../core/bytes/varint.ts'
import type { IngestPorts } from '../session.ts'
import { asMalformed, readWhole } from '../body-bytes.ts'

/** Keeps the composites with the session; returns the ordinals of missing parts, among all parts of
 *  the request.
 *  Errors: invalid_request, too_large. */
export async function receiveParts(
  { metadata }: IngestPorts,
  { sessionId }: { sessionId: string },
  body: Readable,
): Promise<Uint8Array> {
  const bytes = await readWhole(body, listBytesMax)
  const parts = decodeComposites(bytes).flatMap((composite) => composite.parts)
  await metadata.stageOffered(sessionId, 'composites', null, bytes)
  const missing: number[] = []
  let first = 0
  for (const batch of slicesOf(parts, limits.transactionRowsMax)) {
    const known = await metadata.claimReadableBlobs(sessionId, [...new Set(batch)])
    const joining = new Set<Digest>(known.filter((blob) => blob.joins).map((blob) => blob.digest))
    for (const [index, digest] of batch.entries()) {
      if (!joining.has(digest)) missing.push(first + index)
    }
    first += batch.length
  }
  return encodeOrdinals(missing)
}

/** Errors: invalid_request. */
export function decodeComposites(bytes: Uint8Array): Composite[] {
  try {
    const reader = createByteReader(bytes)
    const composites: Composite[] = []
    while (!reader.atEnd()) {
      const composite = readComposite(reader)
      if (composite.parts.length === 0) throw new RangeError('a large file has no parts')
      composites.push(composite)
    }
    return composites
  } catch (error) {
    throw asMalformed(error)
  }
}
