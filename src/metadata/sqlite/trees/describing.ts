/** Entries in wire form: with digests and sizes, without the places of their bytes. */
import type { Digest } from '../../../core/bytes/digest.ts'
import type { Entry } from '../../../core/manifest/entry.ts'
import type { PageEntry } from '../../manifest-page.ts'
import type { Connection } from '../connection/connection.ts'
import { prepareRows } from '../connection/rows.ts'

type BlobTuple = [blobId: number, digest: Digest, sizeBytes: number]

/** Returns a function that adds to entries the digests and sizes of their blobs; undefined when
 *  a blob no longer exists. */
export function createDescribing(
  connection: Connection,
): (entries: readonly PageEntry[]) => Entry[] | undefined {
  const blobs = prepareRows<[string], BlobTuple>(
    connection,
    'b.id, lower(hex(b.digest)), b.size_bytes',
    'FROM json_each(?) j CROSS JOIN blobs b ON b.id = j.value',
  )
  return (entries) => {
    const ids = new Set<number>()
    for (const entry of entries) if (entry.kind === 'file') ids.add(entry.blobId)
    const found = new Map(blobs(JSON.stringify([...ids])).map((row) => [row[0], row]))
    if (found.size < ids.size) return undefined
    return entries.map((entry) => {
      if (entry.kind !== 'file') return entry
      const { path, mode, blobId } = entry
      const [, digest, sizeBytes] = found.get(blobId)!
      return { kind: 'file', path, mode, digest, sizeBytes }
    })
  }
}
