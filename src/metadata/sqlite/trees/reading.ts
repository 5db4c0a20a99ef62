/** Reading: from an artifact to its entries, and from entries to places in packs. */
import { blobState } from '../../../../schema/content.ts'
import { addTo } from '../../../core/groups.ts'
import type { Part } from '../../../core/bytes/copy.ts'
import { type Digest, digestFromBytes } from '../../../core/bytes/digest.ts'
import { notFound } from '../../../core/errors.ts'
import { limits } from '../../../core/limits.ts'
import type { PageEntry } from '../../manifest-page.ts'
import type {
  EntryPage,
  Metadata,
  PlacedStream,
  SkeletonPage,
  StoredEntry,
} from '../../metadata.ts'
import type { Connection } from '../connection/connection.ts'
import {
  createPages,
  createSourceFinder,
  isPast,
  removedError,
  type Source,
} from './manifest-source.ts'
import { type CopyTuple, copyColumns, createPlacing } from '../blobs/placement.ts'
import { prepareRows } from '../connection/rows.ts'

type EntryMethods = Pick<
  Metadata,
  | 'readEntryPage'
  | 'readEntries'
  | 'readStagedEntryPage'
  | 'readZipPages'
  | 'findEntry'
  | 'findEntryPage'
>
type StreamMethods = Pick<
  Metadata,
  'readParts' | 'readPartDigests' | 'readJoiningParts' | 'readStreams'
>
type SkeletonMethods = Pick<Metadata, 'readSkeletonPage' | 'findSkeletonPage'>

export function createEntryMethods(connection: Connection): EntryMethods {
  const { prepare, read } = connection
  const findSource = createSourceFinder(connection)
  const pages = createPages(connection)
  const findZipPages = prepare<[number, number], { bytes: Buffer | null }>(
    'SELECT zip_pages AS bytes FROM artifacts WHERE id = ? AND version = ?',
  )
  const place = (source: Source, entries: PageEntry[]): StoredEntry[] => {
    const placed = pages.place(entries)
    if (placed === undefined) throw removedError(source)
    return placed
  }

  return {
    readEntryPage: async (artifactId, page) => {
      const source = findSource(artifactId)
      if (isPast(source.entryCount, page)) return undefined
      const placed = place(source, pages.read(source, page))
      const modifiedAt = pages.timesOf(source.contentId, page, placed.length)
      return toEntryPage(page, placed, modifiedAt)
    },
    readEntries: async (artifactId, ordinals) => {
      const source = findSource(artifactId)
      const existing = ordinals.filter((ordinal) => ordinal < source.entryCount)
      const entries = [...byPage(existing)].flatMap(([page, indexes]) =>
        pages.read(source, page, indexes),
      )
      const placed = place(source, entries)
      return placed.length < existing.length ? placed : ordinals.map((_, at) => placed[at])
    },
    readStagedEntryPage: async (manifestId, page) =>
      read(() => {
        const entries = pages.find(manifestId, page)
        const placed = entries && pages.place(entries)
        return placed && toEntryPage(page, placed, Array<null>(placed.length).fill(null))
      }),
    readZipPages: async (artifactId, version) =>
      findZipPages.get(artifactId, version)?.bytes ?? null,
    findEntry: async (artifactId, path) => {
      const source = findSource(artifactId)
      const located = pages.locate(source, path)
      if (!located) return undefined
      const entries = pages.read(source, located.page)
      const index = entries.findIndex((entry) => entry.path === path)
      if (index < 0) return undefined
      const [entry] = place(source, [entries[index]!])
      const times = pages.timesOf(source.contentId, located.page, entries.length)
      return { entry: entry!, modifiedAt: times[index] ?? null }
    },
    findEntryPage: async (artifactId, path) => pages.findFrom(findSource(artifactId), path),
  }
}

/** Manifest pages decoded per call: about a millisecond. */
const pagesAtOnce = 8

/** Groups ascending ordinals by page, for the first few pages: the indexes in each. */
function byPage(ordinals: readonly number[]): Map<number, number[]> {
  const pages = new Map<number, number[]>()
  for (const ordinal of ordinals) {
    const page = Math.floor(ordinal / limits.manifestPageEntries)
    if (!pages.has(page) && pages.size === pagesAtOnce) break
    addTo(pages, page, ordinal % limits.manifestPageEntries)
  }
  return pages
}

function toEntryPage(
  page: number,
  entries: StoredEntry[],
  modifiedAt: (number | null)[],
): EntryPage {
  return { firstOrdinal: page * limits.manifestPageEntries, entries, modifiedAt }
}

type PartTuple = [...CopyTuple, ordinal: number, sizeBytes: number, crc32: number]
type PlacedTuple = [
  ...CopyTuple,
  index: number,
  blobDigest: Digest,
  sizeBytes: number,
  crc32: number,
]

export function createStreamMethods(connection: Connection): StreamMethods {
  const { prepare } = connection
  const { toCopy } = createPlacing(connection)
  const joining = prepareRows<[string], PartTuple>(
    connection,
    `${copyColumns}, j.key, b.size_bytes, b.crc32`,
    `FROM json_each(?) j
     CROSS JOIN blobs b ON b.digest = unhex(j.value) AND b.state < ${blobState.filling}
     CROSS JOIN streams s ON s.id = b.joining_stream_id`,
  )
  const digests = prepare<[number, number, number], { digest: Buffer; sizeBytes: number }>(
    `SELECT b.digest, b.size_bytes AS sizeBytes
     FROM composite_parts c CROSS JOIN blobs b ON b.id = c.part_id
     WHERE c.composite_id = ? AND c.ordinal >= ? AND c.ordinal < ? ORDER BY c.ordinal`,
  )
  const parts = prepareRows<[number, number, number], PartTuple>(
    connection,
    `${copyColumns}, c.ordinal, b.size_bytes, b.crc32`,
    `FROM composite_parts c
     CROSS JOIN blobs b ON b.id = c.part_id
     CROSS JOIN streams s ON s.id = b.joining_stream_id
     WHERE c.composite_id = ? AND c.ordinal >= ? AND c.ordinal < ?`,
  )
  const streams = prepareRows<[string], PlacedTuple>(
    connection,
    `${copyColumns}, j.key, lower(hex(b.digest)), b.size_bytes, b.crc32`,
    `FROM json_each(?) j
     CROSS JOIN streams s ON s.id = j.value
     CROSS JOIN blobs b ON b.id = s.blob_id`,
  )
  const toParts = (rows: PartTuple[]): Part[] =>
    rows
      .toSorted((a, b) => a[7] - b[7])
      .map((row) => ({ sizeBytes: row[8], crc32: row[9], copy: toCopy(row) }))
  return {
    readJoiningParts: async (asked) => {
      const rows = joining(JSON.stringify(asked))
      if (rows.length === asked.length) return toParts(rows)
      throw notFound('part', 'a part of a composite has no joining copy')
    },
    readPartDigests: async (blobId, first, limit) =>
      digests
        .all(blobId, first, first + limit)
        .map(({ digest, sizeBytes }) => ({ digest: digestFromBytes(digest), sizeBytes })),
    readParts: async (blobId, first, limit) => toParts(parts(blobId, first, first + limit)),
    readStreams: async (streamIds) => {
      const rows = streams(JSON.stringify(streamIds))
      if (rows.length !== streamIds.length) {
        throw notFound('stream', 'a stream is no longer stored')
      }
      const placed = Array<PlacedStream>(rows.length)
      for (const row of rows) {
        const [streamId, , , , , , , index, blobDigest, sizeBytes, crc32] = row
        placed[index] = { streamId, copy: toCopy(row), sizeBytes, crc32, blobDigest }
      }
      return placed
    },
  }
}

export function createSkeletonMethods(connection: Connection): SkeletonMethods {
  const { prepare } = connection
  const findSource = createSourceFinder(connection)
  const findPage = prepare<[number | null, number], SkeletonPage>(
    `SELECT page, local_offset AS localOffset, central_offset AS centralOffset, bytes
     FROM skeleton_pages WHERE content_id = ? AND page = ?`,
  )
  const before = (side: string) =>
    prepare<[number | null, number], { page: number }>(
      `SELECT page FROM skeleton_pages WHERE content_id = ? AND ${side} <= ?
       ORDER BY ${side} DESC, page DESC LIMIT 1`,
    )
  const findBefore = { local: before('local_offset'), central: before('central_offset') }

  const findUnreleased = (artifactId: number): Source => {
    const source = findSource(artifactId)
    if (source.isReleased) throw removedError(source)
    return source
  }

  return {
    readSkeletonPage: async (artifactId, page) =>
      findPage.get(findUnreleased(artifactId).contentId, page),
    findSkeletonPage: async (artifactId, side, offset) =>
      findBefore[side].get(findUnreleased(artifactId).contentId, offset)?.page,
  }
}
