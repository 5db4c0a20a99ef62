/** Takes a metadata snapshot:
 *
 *    1. Begin to capture the pages that change, unless changes follow an earlier snapshot already.
 *    2. Send the file of the database, compressed, as it is found while others write.
 *    3. Send the changes since step 1, which complete it, and make it visible.
 *    4. Delete the snapshots, and changes, that it makes unnecessary.
 *
 *  Packs that are deleted later than a snapshot are missing when it is restored. What they held is
 *  by then in newer packs, which a restore imports, or no longer needed (recovery/rebuild.ts). */
import { stat } from 'node:fs/promises'
import type { BucketPlace } from '../../core/bucket-place.ts'
import type { Bucket } from '../../packs/s3/bucket.ts'
import { requireBucket } from '../../packs/pack-place.ts'
import { withBucket } from '../../packs/with-bucket.ts'
import { databaseOf } from '../data-directory.ts'
import { readDatabaseFile } from './database-file.ts'
import { sendCompressed } from './send-compressed.ts'
import type { Series } from './series.ts'
import {
  listMetadata,
  metadataKey,
  type MetadataObject,
  removeUnfinished,
  snapshotsKept,
} from './snapshots.ts'

export interface SnapshotReport {
  number: number
  /** Size of the copied database. */
  databaseBytes: number
  /** Size of the snapshot in the bucket. */
  snapshotBytes: number
}

/** Takes a snapshot of the store in `dataDir` into the bucket that holds its packs.
 *  Errors: invalid_request (the bucket is no longer this store's), those of the bucket and of
 *  `series`. */
export async function takeSnapshot(
  series: Series,
  {
    dataDir,
    place,
    signal,
    onProgress,
  }: {
    dataDir: string
    place: BucketPlace
    signal?: AbortSignal | undefined
    /** Called with what is sent so far of a database that had this size at the beginning. */
    onProgress?: (progress: SnapshotReport) => void
  },
): Promise<SnapshotReport> {
  return await withBucket(place, async (bucket) => {
    // A store that was restored elsewhere has its own.
    await requireBucket(dataDir, { place, objects: bucket })
    const earlier = await listMetadata(bucket)
    // A series must not begin during a stop.
    signal?.throwIfAborted()
    const report = await series.follow(earlier[0]?.number ?? 0, async (own) => {
      await removeUnfinished(bucket, own.series)
      let databaseBytes = 0
      const path = databaseOf(dataDir)
      const progress = {
        number: own.number,
        databaseBytes: (await stat(path)).size,
        snapshotBytes: 0,
      }
      const source = readDatabaseFile(path, (bytes) => {
        databaseBytes += bytes
      })
      const snapshotBytes = await sendCompressed(bucket, {
        key: metadataKey({ kind: 'snapshot', ...own }),
        source,
        signal,
        onCompressed: (bytes) => {
          progress.snapshotBytes += bytes
          onProgress?.({ ...progress })
        },
        beforeEnd: own.complete,
      })
      return { number: own.number, databaseBytes, snapshotBytes }
    })
    await removeUnneeded(bucket, earlier)
    return report
  })
}

/** `earlier`: what was there before this snapshot, newest first. */
async function removeUnneeded(bucket: Bucket, earlier: MetadataObject[]): Promise<void> {
  const snapshots = earlier.filter(({ kind }) => kind === 'snapshot')
  const oldest = snapshots[snapshotsKept - 2]
  if (oldest === undefined) return
  const before = earlier.filter(({ number }) => number < oldest.number)
  // Changes last: a snapshot without them would look damaged.
  for (const { key } of before.toSorted((a, b) => b.kind.localeCompare(a.kind)))
    await bucket.remove(key)
}
