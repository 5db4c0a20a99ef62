/** Restores the database of a store from its newest metadata snapshot that is intact. */
import { createWriteStream } from 'node:fs'
import { dirname } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { blobDamaged, errorCodeOf, hasCode, notFound } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { pagesOf } from '../../core/slices.ts'
import { ignoringAbsence, translateErrno } from '../../packs/local/errno.ts'
import { nodeFileSystem, syncDirectory } from '../../packs/local/file-system.ts'
import type { Bucket } from '../../packs/s3/bucket.ts'
import { listSnapshots, type Snapshot } from './snapshots.ts'

export interface RestoredSnapshot {
  number: number
  /** ISO 8601. */
  takenAt: string
  sizeBytes: number
  /** Newer snapshots that are damaged. */
  damagedSnapshots: number
}

export interface Restoration {
  /** Where the database appears, once it is complete. */
  path: string
  /** Called with where it is until it appears. */
  complete(staged: string): Promise<void>
  signal: AbortSignal
}

/** Errors: not_found (the bucket has no snapshot), blob_damaged (none is intact), storage_full,
 *  those of the bucket and of `complete`. */
export async function restoreSnapshot(
  bucket: Bucket,
  { path, complete, signal }: Restoration,
): Promise<RestoredSnapshot> {
  const snapshots = await listSnapshots(bucket)
  if (snapshots.length === 0)
    throw notFound(
      'snapshot',
      'the bucket has no metadata snapshot; `trove recover --from-packs` needs none',
    )
  const staged = `${path}.new`
  for (const [damagedSnapshots, snapshot] of snapshots.entries()) {
    // SQLite would replay a log that a killed process left, whatever database it is of.
    for (const end of ['-wal', '-shm'])
      await ignoringAbsence(() => nodeFileSystem.unlink(staged + end))
    try {
      await translateErrno(path, async () => await fetchTo(bucket, snapshot, { staged, signal }))
    } catch (error) {
      await ignoringAbsence(() => nodeFileSystem.unlink(staged))
      // A server may have replaced it just now.
      if (hasCode(error, 'blob_damaged', 'not_found')) continue
      throw error
    }
    await complete(staged)
    await nodeFileSystem.rename(staged, path)
    await syncDirectory(dirname(path), nodeFileSystem)
    const { number, takenAt, sizeBytes } = snapshot
    return { number, takenAt: new Date(takenAt).toISOString(), sizeBytes, damagedSnapshots }
  }
  throw blobDamaged(`none of the ${snapshots.length} metadata snapshots is intact`)
}

async function fetchTo(
  bucket: Bucket,
  { key, sizeBytes }: Snapshot,
  { staged, signal }: { staged: string; signal: AbortSignal },
): Promise<void> {
  async function* read(): AsyncGenerator<Buffer> {
    for (const { at, lengthBytes } of pagesOf(sizeBytes, limits.readWindowBytes))
      yield await bucket.read(key, at, lengthBytes)
  }
  try {
    // gzip ends with a checksum and the length of what it holds.
    const file = createWriteStream(staged, { mode: 0o600, flush: true })
    await pipeline(read, createGunzip({ chunkSize: 256 * 1024 }), file, { signal })
  } catch (error) {
    if (!errorCodeOf(error).startsWith('Z_')) throw error
    throw blobDamaged(`the metadata snapshot ${key} is damaged`, [], { cause: error })
  }
}
