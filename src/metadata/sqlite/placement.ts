/** Where bytes lie: rows of blobs and streams as the domain sees them. */
import type { BlobPlacement, Copy } from '../../core/copy.ts'
import { digestFromBytes } from '../../core/digest.ts'
import { codecs } from './codecs.ts'

/** Columns of a copy, for a query in which `s` is the stream and `p` its pack. */
export const copyColumns = `s.id AS streamId, s.codec, p.name AS packName, s."offset",
  s.length_bytes AS lengthBytes, s.checks, s.state AS streamState`

export interface CopyRow {
  streamId: number
  codec: number
  packName: string
  offset: number
  lengthBytes: number
  checks: Buffer
  streamState: number
}

/** Columns of a blob `b` with its serving copy, which is all null for a composite. */
export const placementColumns = `b.id AS blobId, b.digest, b.size_bytes AS sizeBytes, b.crc32,
  b.part_count AS partCount, b.joined_bytes AS joinedBytes, ${copyColumns}`

export const placementJoins = `LEFT JOIN streams s ON s.id = b.copy_stream_id
  LEFT JOIN packs p ON p.id = s.pack_id`

export type PlacementRow = {
  blobId: number
  digest: Buffer
  sizeBytes: number
  crc32: number
  partCount: number
  joinedBytes: number
} & (CopyRow | { streamId: null })

export function toCopy(row: CopyRow): Copy {
  return {
    streamId: row.streamId,
    codec: codecs[row.codec]!,
    packName: row.packName,
    offset: row.offset,
    lengthBytes: row.lengthBytes,
    checks: row.checks,
    damaged: row.streamState !== 0,
  }
}

export function toPlacement(row: PlacementRow): BlobPlacement {
  const { blobId, sizeBytes, crc32, partCount } = row
  const digest = digestFromBytes(row.digest)
  if (row.streamId === null) {
    return { blobId, digest, sizeBytes, crc32, copy: null, partCount, joinedBytes: row.joinedBytes }
  }
  const { lengthBytes: joinedBytes } = row
  return { blobId, digest, sizeBytes, crc32, copy: toCopy(row), partCount: 0, joinedBytes }
}
