/** Restores the database of a store from its newest metadata snapshot that is intact, and the
 *  changes since. */
import { createWriteStream } from 'node:fs'
import { dirname } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { isDeepStrictEqual } from 'node:util'
import { createGunzip } from 'node:zlib'
import { blobDamaged, errorCodeOf, hasCode, notFound } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { pagesOf } from '../../core/slices.ts'
import { formatSizeBytes } from '../../core/units.ts'
import { ignoringAbsence, translateErrno } from '../../packs/local/errno.ts'
import { nodeFileSystem, syncDirectory } from '../../packs/local/file-system.ts'
import type { Bucket } from '../../packs/s3/bucket.ts'
import type { RequireRoom } from '../../packs/watermark.ts'
import { changesBytesMax, decodeChanges, openCopy } from './changes.ts'
import { readAhead } from './read-ahead.ts'
import { compressionRatioMax } from './send-compressed.ts'
import { listMetadata, type MetadataObject } from './snapshots.ts'

export interface RestoredSnapshot {
  number: number
  /** When the last change was in the bucket; ISO 8601. */
  takenAt: string
  sizeBytes: number
  /** Objects with changes since the snapshot that were restored, and that could not be, because one
   *  of them is missing or damaged. */
  changes: number
  lostChanges: number
  /** Newer snapshots that are damaged. */
  damagedSnapshots: number
}

export interface Restoration {
  /** Where the database appears, once it is complete. */
  path: string
  /** Takes the bucket over. A server that had it acknowledges nothing from then on. */
  takeOver(): Promise<void>
  /** Called with where the database is until it appears. */
  complete(staged: string): Promise<void>
  /** Called before bytes are written: whoever may write to the bucket decides how many. */
  requireRoom: RequireRoom
  /** Called with what was read of a snapshot and its changes, and their size. */
  onProgress?: (readBytes: number, sizeBytes: number) => void
  signal: AbortSignal
}

/** Where the database at `path` is until it is complete. */
export function stagedDatabase(path: string): string {
  return `${path}.new`
}

/** Errors: not_found (the bucket has no snapshot), blob_damaged (none is intact), storage_full,
 *  those of the bucket, `takeOver` and `complete`. */
export async function restoreSnapshot(
  bucket: Bucket,
  { path, takeOver, complete, requireRoom, onProgress = () => {}, signal }: Restoration,
): Promise<RestoredSnapshot> {
  const staged = stagedDatabase(path)
  const staging = { staged, requireRoom, onProgress, signal }
  const stage = async (objects: MetadataObject[]): Promise<RestoredSnapshot> =>
    await translateErrno(path, async () => await stageNewest(bucket, objects, staging))
  const found = await listMetadata(bucket)
  const restored = await stage(found)
  await takeOver()
  // A server that still ran may have sent and acknowledged changes until then.
  const all = await listMetadata(bucket)
  const last = isDeepStrictEqual(all, found) ? restored : await stage(all)
  await complete(staged)
  await nodeFileSystem.rename(staged, path)
  await syncDirectory(dirname(path), nodeFileSystem)
  return last
}

type Staging = Required<Pick<Restoration, 'requireRoom' | 'onProgress' | 'signal'>> & {
  staged: string
}

/** Writes the database of the newest snapshot that is intact to `staged`. */
async function stageNewest(
  bucket: Bucket,
  objects: MetadataObject[],
  staging: Staging,
): Promise<RestoredSnapshot> {
  const { staged } = staging
  const snapshots = objects.filter(({ kind }) => kind === 'snapshot')
  if (snapshots.length === 0)
    throw notFound(
      'snapshot',
      'the bucket has no metadata snapshot; `trove recover --from-packs` needs none',
    )
  const reasons: string[] = []
  for (const [damagedSnapshots, snapshot] of snapshots.entries()) {
    // SQLite would replay a log that a killed process left, whatever database it is of.
    for (const end of ['-wal', '-shm'])
      await ignoringAbsence(() => nodeFileSystem.unlink(staged + end))
    const since = changesSince(snapshot, objects)
    const reading = counting(bucket, [snapshot, ...since], staging.onProgress)
    try {
      await fetchTo(reading, snapshot, staging)
      const last = await writeChanges(reading, { snapshot, since, ...staging })
      const takenAt = new Date(last.takenAt).toISOString()
      return { ...last, number: snapshot.number, takenAt, damagedSnapshots }
    } catch (error) {
      await ignoringAbsence(() => nodeFileSystem.unlink(staged))
      // A server may have replaced it just now.
      if (!hasCode(error, 'blob_damaged', 'not_found')) throw error
      reasons.push(error.message)
    }
  }
  const none = `none of the ${snapshots.length} metadata snapshots is intact`
  throw blobDamaged(`${none}; the newest: ${reasons[0]}`)
}

/** Returns the changes of the snapshot's series from its number on, oldest first. */
function changesSince(snapshot: MetadataObject, objects: MetadataObject[]): MetadataObject[] {
  return objects
    .filter(({ kind, number, series }) => {
      return kind === 'changes' && series === snapshot.series && number >= snapshot.number
    })
    .toReversed()
}

type Reading = Pick<Bucket, 'read'>

function counting(
  bucket: Reading,
  objects: MetadataObject[],
  onProgress: (readBytes: number, sizeBytes: number) => void,
): Reading {
  const size = objects.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  let readBytes = 0
  return {
    read: async (key, offset, lengthBytes) => {
      const bytes = await bucket.read(key, offset, lengthBytes)
      readBytes += bytes.length
      onProgress(readBytes, size)
      return bytes
    },
  }
}

async function fetchTo(
  bucket: Reading,
  { key, sizeBytes }: MetadataObject,
  { staged, requireRoom, signal }: Staging,
): Promise<void> {
  const bytesMax = sizeBytes * compressionRatioMax
  let bytes = 0
  async function* bounded(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const piece of pieces) {
      bytes += piece.length
      if (bytes > bytesMax)
        throw blobDamaged(
          `the metadata snapshot ${key} inflates to more than ${compressionRatioMax} times its size`,
        )
      await requireRoom(piece.length)
      yield piece
    }
  }
  try {
    // gzip ends with a checksum and the length of what it holds.
    const file = createWriteStream(staged, { mode: 0o600 })
    const inflate = createGunzip({ chunkSize: 256 * 1024 })
    await pipeline(read(bucket, key, sizeBytes), inflate, bounded, file, { signal })
  } catch (error) {
    if (!errorCodeOf(error).startsWith('Z_')) throw error
    throw blobDamaged(`the metadata snapshot ${key} is damaged`, [], { cause: error })
  }
}

async function readChanges(bucket: Reading, key: string, sizeBytes: number): Promise<Buffer> {
  if (sizeBytes <= changesBytesMax) return await buffer(read(bucket, key, sizeBytes))
  const most = formatSizeBytes(changesBytesMax)
  throw blobDamaged(`the metadata changes ${key} are longer than ${most}`)
}

async function* read(bucket: Reading, key: string, sizeBytes: number): AsyncGenerator<Buffer> {
  const windows = pagesOf(sizeBytes, limits.readWindowBytes)
  const lengthOf = ({ lengthBytes }: { lengthBytes: number }): number => lengthBytes
  const reads = readAhead(windows, lengthOf, async ({ at, lengthBytes }) => {
    return await bucket.read(key, at, lengthBytes)
  })
  for (const { content } of reads) yield await content
}

type Last = Pick<RestoredSnapshot, 'sizeBytes' | 'changes' | 'lostChanges'> & { takenAt: number }

/** Brings the copied file up to the last changes that can be read. Errors: blob_damaged, when these
 *  do not complete the snapshot. */
async function writeChanges(
  bucket: Reading,
  {
    snapshot,
    since,
    staged,
    requireRoom,
    signal,
  }: Staging & { snapshot: MetadataObject; since: MetadataObject[] },
): Promise<Last> {
  const { number: first, takenAt, sizeBytes } = snapshot
  const last: Last = { takenAt, sizeBytes, changes: 0, lostChanges: since.length }
  let isComplete = false
  const sizeOf = (object: MetadataObject): number => object.sizeBytes
  const reads = readAhead(since, sizeOf, async ({ key, sizeBytes }) => {
    return await readChanges(bucket, key, sizeBytes)
  })
  const copy = await openCopy(staged)
  try {
    for (const { item, content } of reads) {
      signal.throwIfAborted()
      if (item.number !== first + last.changes) break
      try {
        const { header, records } = await decodeChanges(item.key, await content)
        await requireRoom(records.length)
        await copy.write(header, records)
        isComplete ||= (header.completes ?? 0) >= first
      } catch (error) {
        if (!isComplete || !hasCode(error, 'blob_damaged', 'not_found')) throw error
        break
      }
      last.takenAt = item.takenAt
      last.sizeBytes += item.sizeBytes
      last.changes += 1
      last.lostChanges -= 1
    }
  } finally {
    await copy.close()
  }
  if (!isComplete) throw blobDamaged(`the changes that complete ${snapshot.key} are missing`)
  return last
}
