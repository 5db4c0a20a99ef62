/** Metadata snapshots: copies of the database in the bucket that holds the packs, so that the loss
 *  of the server's disk does not lose the store. Each is one object `metadata/NUMBER.db.gz`, the
 *  database as `gunzip` restores it. Numbers rise, since clocks may not. The keys of the data
 *  directory are left out: who may read the bucket could otherwise mint tokens. */
import type { Bucket } from '../../packs/s3/bucket.ts'

export interface Snapshot {
  number: number
  key: string
  sizeBytes: number
  /** When it was complete, by the clock of the service. */
  takenAt: number
}

export const snapshotFolder = 'metadata/'

/** The last one is for restoring; the one before it, for the case that it is damaged. */
export const snapshotsKept = 2

export function snapshotKey(number: number): string {
  return `${snapshotFolder}${String(number).padStart(10, '0')}.db.gz`
}

/** Newest first. Errors: those of the bucket. */
export async function listSnapshots(bucket: Pick<Bucket, 'list'>): Promise<Snapshot[]> {
  const found: Snapshot[] = []
  for await (const { key, sizeBytes, modifiedAt } of bucket.list(snapshotFolder)) {
    const number = Number(/(\d{10})\.db\.gz$/.exec(key)?.[1])
    if (key === snapshotKey(number)) found.push({ number, key, sizeBytes, takenAt: modifiedAt })
  }
  return found.toSorted((a, b) => b.number - a.number)
}

/** Removes all snapshots of a store that leaves the bucket. Errors: those of the bucket. */
export async function removeSnapshots(bucket: Bucket): Promise<void> {
  for (const { key } of await listSnapshots(bucket)) await bucket.remove(key)
}
