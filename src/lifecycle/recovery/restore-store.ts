/** Restores the store of a bucket to a data directory without a database:
 *
 *  1. Write the newest metadata snapshot, and the changes since, to a database of another name.
 *  2. Take the bucket over.
 *  3. Import packs that are newer, in a thread: a server answers probes meanwhile.
 *  4. Give the database its name. What is interrupted before that begins again. */
import { existsSync } from 'node:fs'
import type { BucketPlace } from '../../core/bucket-place.ts'
import { invalidRequest } from '../../core/errors.ts'
import { formatSizeBytes } from '../../core/units.ts'
import type { IngestSettings } from '../../ingest/session.ts'
import { takeOverBucket } from '../../packs/pack-place.ts'
import type { Bucket } from '../../packs/s3/bucket.ts'
import { runInBackground } from '../background/background.ts'
import { databaseOf } from '../data-directory.ts'
import { openDiskSpace } from '../disk-space.ts'
import {
  restoreSnapshot,
  type RestoredSnapshot,
  stagedDatabase,
} from '../snapshot/restore-snapshot.ts'
import type { RebuildReport } from './rebuild.ts'

/** The rest is that of packs that are imported. */
export interface StoreSettings extends IngestSettings {
  dataDir: string
  minFreeBytes: number | null
  retention: { defaultMs: number }
}

export interface RestoredStore {
  snapshot: RestoredSnapshot
  imported: RebuildReport
}

export interface Restoring {
  /** Called with what is being done: `restoring …`. */
  onStep(step: string): void
  signal: AbortSignal
}

/** Errors: not_found (the bucket has no snapshot), blob_damaged (none is intact), storage_full,
 *  those of the bucket, the abort reason of `signal`. */
export async function restoreStore(
  objects: Bucket,
  { place, ...settings }: StoreSettings & { place: BucketPlace },
  { onStep, signal }: Restoring,
): Promise<RestoredStore> {
  const { dataDir, minFreeBytes } = settings
  const { requireRoom } = await openDiskSpace({ directory: dataDir, minFreeBytes })
  let imported: RebuildReport | undefined
  const snapshot = await restoreSnapshot(objects, {
    path: databaseOf(dataDir),
    requireRoom,
    takeOver: async () => await takeOverBucket(dataDir, { place, objects }),
    complete: async (staged) => {
      imported = await importPacks(staged, { place, ...settings }, { onStep, signal })
    },
    onProgress: (readBytes, sizeBytes) => {
      const [read, size] = [readBytes, sizeBytes].map((bytes) => formatSizeBytes(bytes))
      onStep(`restoring the metadata, ${read} of ${size}`)
    },
    signal,
  })
  return { snapshot, imported: imported! }
}

async function importPacks(
  databasePath: string,
  { place, retention, ...settings }: StoreSettings & { place: BucketPlace },
  { onStep, signal }: Restoring,
): Promise<RebuildReport> {
  onStep('restoring: looking for packs that are newer than the metadata')
  const { artifactBytesMax, entriesMax, compressionLevel, stockZips } = settings
  const ingest = { artifactBytesMax, entriesMax, compressionLevel, stockZips }
  const expiresAt = Date.now() + retention.defaultMs
  const report = await runInBackground(
    {
      databasePath,
      packPlace: { kind: 'bucket', bucket: place },
      task: { kind: 'import', options: { settings: ingest, expiresAt } },
    },
    {
      onProgress: (progress) => {
        const { knownPacks, packs } = progress as RebuildReport
        onStep(`restoring: of the packs, ${knownPacks} were known and ${packs} imported`)
      },
      onFinding: () => {},
      signal,
    },
  )
  return report as RebuildReport
}

/** A bucket that was taken over holds packs of which a new database would know nothing.
 *  Errors: invalid_request. */
export function requireNoneBegun(dataDir: string): void {
  const path = databaseOf(dataDir)
  const staged = stagedDatabase(path)
  if (existsSync(path) || !existsSync(staged)) return
  throw invalidRequest(
    'data',
    `a restore was interrupted, of which ${staged} is left; repeat it with \`trove recover --from-snapshot\` or TROVE_RESTORE=on`,
  )
}
