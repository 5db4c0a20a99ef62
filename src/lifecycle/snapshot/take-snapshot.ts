/** Takes a metadata snapshot:
 *
 *    1. Copy the database, as of one instant, to a file beside it.
 *    2. Send the copy, compressed, to the bucket. It is invisible there until it is complete.
 *    3. Delete the snapshots that it makes unnecessary.
 *
 *  Packs that are deleted later than a snapshot are missing when it is restored. What they held is
 *  by then in newer packs, which a restore imports, or no longer needed (recovery/rebuild.ts). */
import { createReadStream } from 'node:fs'
import { stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import type { BucketPlace } from '../../core/bucket-place.ts'
import { hasCode, storeError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { ignoringAbsence } from '../../packs/local/errno.ts'
import { requireBucket } from '../../packs/pack-place.ts'
import type { Bucket } from '../../packs/s3/bucket.ts'
import { createS3Sink } from '../../packs/s3/s3-sink.ts'
import { withBucket } from '../../packs/with-bucket.ts'
import type { DiskSpace } from '../disk-space.ts'
import type { LifecyclePorts } from '../ports.ts'
import { listSnapshots, snapshotFolder, snapshotKey, snapshotsKept } from './snapshots.ts'

export interface SnapshotReport {
  number: number
  /** Size of the copied database. */
  databaseBytes: number
  /** Size of the snapshot in the bucket. */
  snapshotBytes: number
}

/** zlib's level. Manifests are deflated already: 6 takes 1.7 times as long for 2 %. */
const compressionLevel = 1

/** Takes a snapshot of the store in `dataDir` into the bucket that holds its packs.
 *  Errors: invalid_request (the bucket is no longer this store's), those of the bucket,
 *  storage_full. */
export async function takeSnapshot(
  { metadata, signal }: Pick<LifecyclePorts, 'metadata' | 'signal'>,
  { dataDir, place }: { dataDir: string; place: BucketPlace },
): Promise<SnapshotReport> {
  const copyPath = join(dataDir, 'snapshot.db')
  return await withBucket(place, async (bucket) => {
    try {
      // Left by a process that was killed.
      await ignoringAbsence(() => unlink(copyPath))
      await metadata.copyTo(copyPath)
      signal?.throwIfAborted()
      // A store that was restored elsewhere has its own.
      await requireBucket(dataDir, { place, objects: bucket })
      await removeUnfinished(bucket)
      const earlier = await listSnapshots(bucket)
      const number = (earlier[0]?.number ?? 0) + 1
      const snapshotBytes = await send(bucket, { number, copyPath, signal })
      for (const { key } of earlier.slice(snapshotsKept - 1)) await bucket.remove(key)
      return { number, databaseBytes: (await stat(copyPath)).size, snapshotBytes }
    } finally {
      await ignoringAbsence(() => unlink(copyPath))
    }
  })
}

/** Removes parts of snapshots that were interrupted. */
async function removeUnfinished(bucket: Bucket): Promise<void> {
  for await (const upload of bucket.listUploads(snapshotFolder)) {
    await bucket.abortUpload(upload).catch((error: unknown) => {
      if (!hasCode(error, 'not_found')) throw error
    })
  }
}

/** Errors: storage_full, when a copy of the database would leave too little space to others. */
export async function requireRoomForCopy(
  dataDir: string,
  space: Pick<DiskSpace, 'hasRoom'>,
): Promise<void> {
  const neededBytes = (await stat(join(dataDir, 'trove.db'))).size
  if (await space.hasRoom(neededBytes)) return
  const message = 'no space left on the disk for the copy of the database that becomes a snapshot'
  throw storeError('storage_full', message, { neededBytes })
}

/** Returns the number of bytes sent. */
async function send(
  bucket: Bucket,
  {
    number,
    copyPath,
    signal,
  }: { number: number; copyPath: string; signal?: AbortSignal | undefined },
): Promise<number> {
  const sink = createS3Sink({ name: String(number), key: snapshotKey(number), bucket })
  try {
    await pipeline(
      createReadStream(copyPath, { highWaterMark: limits.readWindowBytes }),
      createGzip({ level: compressionLevel, chunkSize: 256 * 1024 }),
      async (pieces: AsyncIterable<Buffer>) => {
        for await (const piece of pieces) await sink.write(piece)
      },
      { signal },
    )
    return (await sink.seal()).sizeBytes
  } catch (error) {
    await sink.abort()
    throw error
  }
}
