/** Where bytes lie: converts rows of blobs and streams to domain types. */
import { streamState } from '../../../../schema/content.ts'
import type { BlobPlacement, Copy } from '../../../core/bytes/copy.ts'
import type { Digest } from '../../../core/bytes/digest.ts'
import { codecs } from '../connection/codecs.ts'
import type { Connection } from '../connection/connection.ts'

/** Columns of a stream `s`, for `prepareRows`. They come first, so that a longer row can be read
 *  in place. */
export const copyColumns =
  's.id, s.codec, s.pack_id, s."offset", s.length_bytes, hex(s.checks), s.state'

export type CopyTuple = [
  streamId: number,
  codec: number,
  packId: number,
  offset: number,
  lengthBytes: number,
  checks: string,
  state: number,
]

export type CopyRow = readonly [...CopyTuple, ...unknown[]]

/** Columns of a blob `b` and its serving copy `s`, whose columns are null for a composite. */
export const placementColumns = `${copyColumns},
  b.id, lower(hex(b.digest)), b.size_bytes, b.crc32, b.part_count, b.joined_bytes`

export const placementJoin = 'LEFT JOIN streams s ON s.id = b.copy_stream_id'

export type PlacementTuple = [
  ...CopyTuple,
  blobId: number,
  digest: Digest,
  sizeBytes: number,
  crc32: number,
  partCount: number,
  joinedBytes: number,
]

/** Upper bound on cached pack names, about 1 MB. */
const packNamesMax = 8192

/** Returns functions that convert rows of copies and blobs, inside the transaction that read the
 *  rows. */
export function createPlacing({ prepare }: Connection): {
  toCopy(row: CopyRow): Copy
  toPlacement(row: PlacementTuple): BlobPlacement
} {
  const findName = prepare<[number], { name: string }>('SELECT name FROM packs WHERE id = ?')
  // Neither ids nor names of packs are ever reused, so the cache cannot become stale.
  const names = new Map<number, string>()
  const nameOf = (packId: number): string => {
    const known = names.get(packId)
    if (known !== undefined) return known
    const { name } = findName.get(packId)!
    if (names.size >= packNamesMax) names.clear()
    names.set(packId, name)
    return name
  }

  const toCopy = (row: CopyRow): Copy => {
    const [streamId, codec, packId, offset, lengthBytes, checks, state] = row
    return {
      streamId,
      codec: codecs[codec]!,
      packName: nameOf(packId),
      offset,
      lengthBytes,
      checks: Buffer.from(checks, 'hex'),
      damaged: state === streamState.damaged,
    }
  }
  const toPlacement = (row: PlacementTuple): BlobPlacement => {
    const [, , , , lengthBytes, , , blobId, digest, sizeBytes, crc32, partCount, joined] = row
    const copy = partCount > 0 ? null : toCopy(row)
    const joinedBytes = partCount > 0 ? joined : lengthBytes
    return { blobId, digest, sizeBytes, crc32, copy, partCount, joinedBytes }
  }
  return { toCopy, toPlacement }
}
