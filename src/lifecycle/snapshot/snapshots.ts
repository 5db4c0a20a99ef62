/** Metadata snapshots: copies of the database in the bucket that holds the packs, so that the loss
 *  of the server's disk does not lose the store. Objects below `metadata/`:
 *
 *    NUMBER-SERIES.db.gz       a snapshot: the file of the database, copied while it changed
 *    NUMBER-SERIES.changes.gz  the pages that changed after the changes before it (changes.ts)
 *
 *  Snapshot N is restored with changes N, N + 1 and so on of its series, as far as there is no gap;
 *  without those that complete it, it is of no use. A server begins a series with its first
 *  snapshot, and another one if it may have missed changes. Numbers rise across series, since
 *  clocks may not, with a gap of one before each.
 *
 *  The keys of the data directory are left out: who may read the bucket could otherwise mint
 *  tokens. */
import { randomBytes } from 'node:crypto'
import { hasCode, tooLarge } from '../../core/errors.ts'
import type { Bucket } from '../../packs/s3/bucket.ts'

export interface MetadataObject {
  kind: 'snapshot' | 'changes'
  number: number
  series: string
  key: string
  sizeBytes: number
  /** When it was complete, by the clock of the service. */
  takenAt: number
}

const snapshotFolder = 'metadata/'

/** The last one is for restoring; the one before it, for the case that it is damaged. */
export const snapshotsKept = 2

const ends = { snapshot: 'db', changes: 'changes' } as const

export function newSeries(): string {
  return randomBytes(4).toString('hex')
}

export function metadataKey({
  kind,
  number,
  series,
}: Pick<MetadataObject, 'kind' | 'number' | 'series'>): string {
  return `${snapshotFolder}${String(number).padStart(10, '0')}-${series}.${ends[kind]}.gz`
}

/** Objects that a listing may hold, 433 bytes each: whoever may write to the bucket decides how
 *  many there are, and a restore lists them twice. A server keeps those since the last two
 *  snapshots. */
const objectsMax = 400_000

/** Newest first. Errors: too_large (more than `most` objects), those of the bucket. */
export async function listMetadata(
  bucket: Pick<Bucket, 'list'>,
  most = objectsMax,
): Promise<MetadataObject[]> {
  const found: MetadataObject[] = []
  for await (const object of eachOf(bucket)) {
    if (found.length === most)
      throw tooLarge(
        'metadata objects of a bucket',
        most,
        `the bucket has more than ${most} metadata snapshots and changes below ${snapshotFolder}`,
      )
    found.push(object)
  }
  return found.toSorted((a, b) => b.number - a.number)
}

/** Oldest first. */
async function* eachOf(
  bucket: Pick<Bucket, 'list'>,
): AsyncGenerator<MetadataObject, void, undefined> {
  for await (const { key, sizeBytes, modifiedAt: takenAt } of bucket.list(snapshotFolder)) {
    const [, digits, series, end] = /(\d{10})-([0-9a-f]{8})\.(db|changes)\.gz$/.exec(key) ?? []
    if (series === undefined) continue
    const kind = end === ends.snapshot ? 'snapshot' : 'changes'
    const object = { kind, number: Number(digits), series } as const
    if (key === metadataKey(object)) yield { ...object, key, sizeBytes, takenAt }
  }
}

/** Objects that are removed before it is asked again whose the bucket is. */
const batchObjects = 1000

/** Removes snapshots and changes of a store that leaves the bucket, oldest first: a server that
 *  takes it over meanwhile restores the newest. To be repeated until it returns false, when there
 *  were none left, nor parts of any. `beforeFirst` is called before something is removed.
 *  Errors: those of the bucket and of `beforeFirst`. */
export async function removeSomeMetadata(
  bucket: Pick<Bucket, 'list' | 'remove' | 'listUploads' | 'abortUpload'>,
  beforeFirst: () => Promise<void>,
): Promise<boolean> {
  const batch: string[] = []
  for await (const { key } of eachOf(bucket)) {
    batch.push(key)
    if (batch.length === batchObjects) break
  }
  if (batch.length === 0) await removeUnfinished(bucket)
  else await beforeFirst()
  for (const key of batch) await bucket.remove(key)
  return batch.length > 0
}

/** Removes what was sent in part, except in this series. Errors: those of the bucket. */
export async function removeUnfinished(
  bucket: Pick<Bucket, 'listUploads' | 'abortUpload'>,
  except?: string,
): Promise<void> {
  for await (const upload of bucket.listUploads(snapshotFolder)) {
    if (except !== undefined && upload.key.includes(except)) continue
    await bucket.abortUpload(upload).catch((error: unknown) => {
      if (!hasCode(error, 'not_found')) throw error
    })
  }
}
