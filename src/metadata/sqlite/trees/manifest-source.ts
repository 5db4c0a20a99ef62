/** What an artifact consists of, and the stored pages of its manifest. */
import pLimit from 'p-limit'
import type { ArtifactState } from '../../../core/artifact.ts'
import { comparePaths } from '../../../core/manifest/entry.ts'
import { artifactExpired, artifactNotFound, storeError } from '../../../core/errors.ts'
import { limits } from '../../../core/limits.ts'
import { decodeTimes } from '../../../core/manifest/modification-times.ts'
import { type PageEntry, decodeManifestPage } from '../../manifest-page.ts'
import type { StoredEntry } from '../../metadata.ts'
import type { Connection } from '../connection/connection.ts'
import {
  type PlacementTuple,
  createPlacing,
  placementColumns,
  placementJoin,
} from '../blobs/placement.ts'
import { prepareRows } from '../connection/rows.ts'

export interface Source {
  artifactId: number
  manifestId: number
  contentId: number | null
  entryCount: number
  state: ArtifactState
  endsAt: number
  removedAt: number | null
  removedReason: string | null
  /** Removed and released: its rows may be missing. An artifact that is being read still has all
   *  of them. */
  isReleased: 0 | 1
}

/** Returns a function that finds what an artifact consists of. Errors: artifact_not_found. */
export function createSourceFinder({ prepare }: Connection): (artifactId: number) => Source {
  const find = prepare<[number], Source>(
    `SELECT a.id AS artifactId, a.manifest_id AS manifestId, a.content_id AS contentId,
       m.entry_count AS entryCount, a.state, a.ends_at AS endsAt, a.removed_at AS removedAt,
       a.removed_reason AS removedReason, a.removed_at IS NOT NULL AND a.releasable_at IS NULL AS isReleased
     FROM artifacts a CROSS JOIN manifests m ON m.id = a.manifest_id WHERE a.id = ?`,
  )
  return (artifactId) => {
    const source = find.get(artifactId)
    if (source) return source
    throw artifactNotFound(`id:${artifactId}`)
  }
}

/** A reader in progress when the artifact is removed must not mistake missing rows for the end. */
export function removedError(source: Source): Error {
  const { artifactId, state, endsAt, removedAt, removedReason } = source
  if (removedAt === null) return new Error(`artifact ${artifactId} has lost rows`)
  const reason = removedReason ?? state
  if (state === 'expired') return artifactExpired({ artifactId, expiredAt: endsAt, reason })
  const deleted = { artifactId, deletedAt: removedAt, reason }
  return storeError('artifact_deleted', `artifact ${artifactId} was deleted`, deleted)
}

export function isPast(entryCount: number, page: number): boolean {
  return page * limits.manifestPageEntries >= entryCount
}

/** Returns a call that runs `step` on one snapshot. However many of them are waiting, other calls
 *  wait for at most one step. */
export function oneByOne<Asked extends unknown[], Result>(
  { read, turn }: Connection,
  step: (...asked: Asked) => Result,
): (...asked: Asked) => Promise<Result> {
  const limit = pLimit(1)
  return async (...asked) =>
    await limit(async () => {
      await turn()
      return read(() => step(...asked))
    })
}

interface Pages {
  /** All entries of a page, or those at `indexes`, which ascend. Errors: that of `removedError`. */
  read(source: Source, page: number, indexes?: readonly number[]): PageEntry[]
  /** The page as stored. Errors: that of `removedError`. */
  readStored(source: Source, page: number): Buffer
  /** All entries of a page of any manifest; undefined when it does not exist. */
  find(manifestId: number, page: number): PageEntry[] | undefined
  /** The page where `path` is or would be; undefined when it would come before the first one. */
  locate(source: Source, path: string): { page: number; lastPath: Buffer } | undefined
  /** The page that holds the first entry at or after `path`; undefined when the manifest ends
   *  before it. */
  findFrom(source: Source, path: string): number | undefined
  /** Entries with the places of their files; undefined when a blob no longer exists, and so
   *  neither does the manifest. */
  place(entries: PageEntry[]): StoredEntry[] | undefined
  timesOf(contentId: number | null, page: number, count: number): (number | null)[]
  /** Returns a function that looks up the time of one entry, and decodes each page of times
   *  once. */
  createTimeReader(source: Source): (page: number, index: number) => number | null
  /** Times of a page as stored. */
  encodedTimes(contentId: number | null, page: number): Buffer | undefined
}

export function createPages(connection: Connection): Pages {
  const { prepare } = connection
  const { toPlacement } = createPlacing(connection)
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
  const placements = prepareRows<[string], PlacementTuple>(
    connection,
    placementColumns,
    `FROM json_each(?) j CROSS JOIN blobs b ON b.id = j.value ${placementJoin}`,
  )

  const readStored: Pages['readStored'] = (source, page) => {
    const row = findPage.get(source.manifestId, page)
    if (row === undefined) throw removedError(source)
    return row.bytes
  }
  const timesOf: Pages['timesOf'] = (contentId, page, count) => {
    const times = findTimes.get(contentId, page)
    return times ? decodeTimes(times.bytes, count) : Array<null>(count).fill(null)
  }
  const locate: Pages['locate'] = (source, path) => {
    const isCleared = source.isReleased && !findPage.get(source.manifestId, 0)
    if (isCleared && source.entryCount > 0) throw removedError(source)
    return pageBefore.get(source.manifestId, Buffer.from(path))
  }
  return {
    read: (source, page, indexes) => decodeManifestPage(readStored(source, page), indexes),
    readStored,
    find: (manifestId, page) => {
      const row = findPage.get(manifestId, page)
      return row && decodeManifestPage(row.bytes)
    },
    locate,
    findFrom: (source, path) => {
      const located = locate(source, path)
      if (!located) return source.entryCount > 0 ? 0 : undefined
      const isInside = comparePaths(path, located.lastPath.toString()) <= 0
      const page = isInside ? located.page : located.page + 1
      return isPast(source.entryCount, page) ? undefined : page
    },
    place: (entries) => {
      const ids = new Set<number>()
      for (const entry of entries) if (entry.kind === 'file') ids.add(entry.blobId)
      const rows = placements(JSON.stringify([...ids]))
      if (rows.length < ids.size) return undefined
      const blobs = new Map(rows.map((row) => [row[7], toPlacement(row)]))
      return entries.map((entry) => {
        if (entry.kind !== 'file') return entry
        const blob = blobs.get(entry.blobId)!
        const { kind, path, mode } = entry
        return { kind, path, mode, digest: blob.digest, sizeBytes: blob.sizeBytes, blob }
      })
    },
    encodedTimes: (contentId, page) => findTimes.get(contentId, page)?.bytes,
    timesOf,
    createTimeReader: (source) => {
      const decoded = new Map<number, (number | null)[]>()
      return (page, index) => {
        const first = page * limits.manifestPageEntries
        const count = Math.min(limits.manifestPageEntries, source.entryCount - first)
        const times = decoded.get(page) ?? timesOf(source.contentId, page, count)
        decoded.set(page, times)
        return times[index] ?? null
      }
    },
  }
}
