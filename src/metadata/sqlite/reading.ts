/** Reading: from an artifact to its entries, from entries to places in packs. Each method sees one snapshot. */
import { digestToBytes } from '../../core/digest.ts'
import { comparePaths } from '../../core/entry.ts'
import { storeError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { decodeTimes } from '../../core/modification-times.ts'
import { type PageEntry, decodeManifestPage } from '../manifest-page.ts'
import type { EntryPage, Metadata, PlacedStream, StoredEntry } from '../metadata.ts'
import type { Connection } from './connection.ts'
import {
  type CopyRow,
  type PlacementRow,
  copyColumns,
  placementColumns,
  placementJoins,
  toCopy,
  toPlacement,
} from './placement.ts'
import { digestFromBytes } from '../../core/digest.ts'

type EntryMethods = Pick<
  Metadata,
  'readEntryPage' | 'readStagedEntryPage' | 'findEntry' | 'findEntryPage'
>
type StreamMethods = Pick<Metadata, 'readParts' | 'readStreams' | 'findBlob'>
type SkeletonMethods = Pick<Metadata, 'readSkeletonPage' | 'findSkeletonPage'>

export function createReadingMethods(
  connection: Connection,
): EntryMethods & StreamMethods & SkeletonMethods {
  return {
    ...createEntryMethods(connection),
    ...createStreamMethods(connection),
    ...createSkeletonMethods(connection),
  }
}

interface Source {
  artifactId: number
  manifestId: number
  contentId: number | null
  entryCount: number
  state: string
  removedAt: number | null
  removedReason: string | null
}

/** Answers a function that finds what an artifact is made of. Errors: artifact_not_found. */
function createSourceFinder({ prepare }: Connection): (artifactId: number) => Source {
  const find = prepare<[number], Source>(
    `SELECT a.id AS artifactId, a.manifest_id AS manifestId, a.content_id AS contentId,
       m.entry_count AS entryCount, a.state, a.removed_at AS removedAt, a.removed_reason AS removedReason
     FROM artifacts a CROSS JOIN manifests m ON m.id = a.manifest_id WHERE a.id = ?`,
  )
  return (artifactId) => {
    const source = find.get(artifactId)
    if (source) return source
    throw storeError('artifact_not_found', `no artifact ${artifactId}`, {
      reference: `id:${artifactId}`,
    })
  }
}

/** A reader that is under way when the artifact is removed must not take what is gone for the end. */
function removedError({ artifactId, state, removedAt, removedReason }: Source): Error {
  if (removedAt === null) return new Error(`artifact ${artifactId} has lost rows`)
  const reason = removedReason ?? state
  return state === 'expired'
    ? storeError('artifact_expired', `artifact ${artifactId} has expired`, {
        artifactId,
        expiredAt: removedAt,
        reason,
      })
    : storeError('artifact_deleted', `artifact ${artifactId} was deleted`, {
        artifactId,
        deletedAt: removedAt,
        reason,
      })
}

function createEntryMethods(connection: Connection): EntryMethods {
  const { prepare, read } = connection
  const findSource = createSourceFinder(connection)
  const findManifest = prepare<[number], { entryCount: number }>(
    'SELECT entry_count AS entryCount FROM manifests WHERE id = ?',
  )
  const findPage = prepare<[number, number], { bytes: Buffer }>(
    'SELECT bytes FROM manifest_pages WHERE manifest_id = ? AND page = ?',
  )
  const findTimes = prepare<[number | null, number], { bytes: Buffer }>(
    'SELECT bytes FROM artifact_times WHERE content_id = ? AND page = ?',
  )
  const pageBefore = prepare<[number, Buffer], { page: number; lastPath: Buffer }>(
    `SELECT page, last_path AS lastPath FROM manifest_pages
     WHERE manifest_id = ? AND first_path <= ? ORDER BY first_path DESC LIMIT 1`,
  )
  const placements = prepare<[string], PlacementRow>(
    `SELECT ${placementColumns} FROM json_each(?) j
     CROSS JOIN blobs b ON b.id = j.value ${placementJoins}`,
  )

  const place = (entries: PageEntry[]): StoredEntry[] => {
    const ids = new Set<number>()
    for (const entry of entries) if (entry.kind === 'file') ids.add(entry.blobId)
    const rows = placements.all(JSON.stringify([...ids]))
    const blobs = new Map(rows.map((row) => [row.blobId, toPlacement(row)]))
    return entries.map((entry) => {
      if (entry.kind !== 'file') return entry
      const blob = blobs.get(entry.blobId)!
      const { kind, path, mode } = entry
      return { kind, path, mode, digest: blob.digest, sizeBytes: blob.sizeBytes, blob }
    })
  }

  const readTimes = (contentId: number | null, page: number, count: number): (number | null)[] => {
    const times = findTimes.get(contentId, page)
    return times ? decodeTimes(times.bytes, count) : Array<null>(count).fill(null)
  }

  const readStoredPage = (source: Source, page: number): PageEntry[] => {
    const row = findPage.get(source.manifestId, page)
    if (!row) throw removedError(source)
    return decodeManifestPage(row.bytes)
  }

  const isPast = (entryCount: number, page: number): boolean =>
    page * limits.manifestPageEntries >= entryCount

  /** The page where `path` is or would be. */
  const locate = (source: Source, path: string): { page: number; lastPath: Buffer } | undefined =>
    source.removedAt === null || findPage.get(source.manifestId, 0)
      ? pageBefore.get(source.manifestId, Buffer.from(path))
      : throwRemoved(source)

  return {
    readEntryPage: async (artifactId, page) =>
      read(() => {
        const source = findSource(artifactId)
        if (isPast(source.entryCount, page)) return undefined
        const entries = readStoredPage(source, page)
        const modifiedAt = readTimes(source.contentId, page, entries.length)
        return toEntryPage(page, place(entries), modifiedAt)
      }),
    readStagedEntryPage: async (manifestId, page) =>
      read(() => {
        const manifest = findManifest.get(manifestId)
        const row = findPage.get(manifestId, page)
        if (!manifest || !row) return undefined
        const entries = place(decodeManifestPage(row.bytes))
        return toEntryPage(page, entries, Array<null>(entries.length).fill(null))
      }),
    findEntry: async (artifactId, path) =>
      read(() => {
        const source = findSource(artifactId)
        const located = locate(source, path)
        if (!located) return undefined
        const entries = readStoredPage(source, located.page)
        const index = entries.findIndex((entry) => entry.path === path)
        if (index < 0) return undefined
        const [entry] = place([entries[index]!])
        const times = readTimes(source.contentId, located.page, entries.length)
        return { entry: entry!, modifiedAt: times[index] ?? null }
      }),
    findEntryPage: async (artifactId, path) =>
      read(() => {
        const source = findSource(artifactId)
        const located = locate(source, path)
        if (!located) return source.entryCount > 0 ? 0 : undefined
        const isInside = comparePaths(path, located.lastPath.toString()) <= 0
        const page = isInside ? located.page : located.page + 1
        return isPast(source.entryCount, page) ? undefined : page
      }),
  }
}

function throwRemoved(source: Source): never {
  throw removedError(source)
}

function toEntryPage(
  page: number,
  entries: StoredEntry[],
  modifiedAt: (number | null)[],
): EntryPage {
  return { firstOrdinal: page * limits.manifestPageEntries, entries, modifiedAt }
}

type PartRow = CopyRow & { sizeBytes: number; crc32: number }
type PlacedStreamRow = CopyRow & { sizeBytes: number; crc32: number; blobDigest: Buffer }

function createStreamMethods({ prepare }: Connection): StreamMethods {
  const parts = prepare<[number, number, number], PartRow>(
    `SELECT b.size_bytes AS sizeBytes, b.crc32, ${copyColumns}
     FROM composite_parts c
     CROSS JOIN blobs b ON b.id = c.part_id
     CROSS JOIN streams s ON s.id = b.joining_stream_id
     CROSS JOIN packs p ON p.id = s.pack_id
     WHERE c.composite_id = ? AND c.ordinal >= ? AND c.ordinal < ? ORDER BY c.ordinal`,
  )
  const streams = prepare<[string], PlacedStreamRow>(
    `SELECT b.digest AS blobDigest, b.size_bytes AS sizeBytes, b.crc32, ${copyColumns}
     FROM json_each(?) j
     CROSS JOIN streams s ON s.id = j.value
     CROSS JOIN packs p ON p.id = s.pack_id
     CROSS JOIN blobs b ON b.id = s.blob_id
     ORDER BY j.key`,
  )
  const blob = prepare<[Buffer], PlacementRow>(
    `SELECT ${placementColumns} FROM blobs b ${placementJoins}
     WHERE b.digest = ? AND b.state < 2`,
  )
  return {
    readParts: async (blobId, first, limit) =>
      parts
        .all(blobId, first, first + limit)
        .map((row) => ({ sizeBytes: row.sizeBytes, crc32: row.crc32, copy: toCopy(row) })),
    readStreams: async (streamIds) => {
      const rows = streams.all(JSON.stringify(streamIds))
      if (rows.length !== streamIds.length) {
        throw storeError('not_found', 'a stream is not stored any more', { what: 'stream' })
      }
      return rows.map(toPlacedStream)
    },
    findBlob: async (digest) => {
      const row = blob.get(digestToBytes(digest))
      return row && toPlacement(row)
    },
  }
}

function toPlacedStream(row: PlacedStreamRow): PlacedStream {
  return {
    streamId: row.streamId,
    copy: toCopy(row),
    sizeBytes: row.sizeBytes,
    crc32: row.crc32,
    blobDigest: digestFromBytes(row.blobDigest),
  }
}

interface SkeletonRow {
  page: number
  localOffset: number
  centralOffset: number
  bytes: Buffer
}

function createSkeletonMethods(connection: Connection): SkeletonMethods {
  const { prepare, read } = connection
  const findSource = createSourceFinder(connection)
  const findPage = prepare<[number | null, number], SkeletonRow>(
    `SELECT page, local_offset AS localOffset, central_offset AS centralOffset, bytes
     FROM skeleton_pages WHERE content_id = ? AND page = ?`,
  )
  const before = (side: string) =>
    prepare<[number | null, number], { page: number }>(
      `SELECT page FROM skeleton_pages WHERE content_id = ? AND ${side} <= ?
       ORDER BY ${side} DESC, page DESC LIMIT 1`,
    )
  const findBefore = { local: before('local_offset'), central: before('central_offset') }

  /** Once a removed artifact is being cleared, absent pages mean nothing. */
  const findWhole = (artifactId: number): Source => {
    const source = findSource(artifactId)
    if (source.removedAt !== null) throw removedError(source)
    return source
  }

  return {
    readSkeletonPage: async (artifactId, page) =>
      read(() => findPage.get(findWhole(artifactId).contentId, page)),
    findSkeletonPage: async (artifactId, side, offset) =>
      read(() => findBefore[side].get(findWhole(artifactId).contentId, offset)?.page),
  }
}
