/** Modification times of the artifact to be committed: pages in the form of
 *  core/manifest/modification-times.ts, each as a sized record. */
import type { Readable } from 'node:stream'
import { listBytesMax } from '../../core/bytes/blob-exchange.ts'
import { manifestPages } from '../../core/manifest/manifest-pages.ts'
import { readTimes } from '../../core/manifest/modification-times.ts'
import { createByteReader } from '../../core/bytes/varint.ts'
import type { IngestPorts } from '../session.ts'
import { asMalformed, readWhole } from '../body-bytes.ts'

/** Errors: invalid_request, too_large. */
export async function receiveTimes(
  { metadata }: IngestPorts,
  { sessionId, entryCount }: { sessionId: string; entryCount: number },
  body: Readable,
): Promise<null> {
  const reader = createByteReader(await readWhole(body, listBytesMax))
  for (const { page, count } of manifestPages(entryCount)) {
    let bytes: Buffer
    try {
      bytes = reader.sized()
      // Pages that cannot be decoded must not get into the store.
      readTimes(bytes, count)
    } catch (error) {
      throw asMalformed(error)
    }
    await metadata.stageTimes(sessionId, page, bytes)
  }
  return null
}
