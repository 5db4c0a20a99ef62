/** Servers without a disk of their own: a start on an empty data directory continues the store that
 *  the bucket has.
 *
 *  1. Where there is a database, the bucket must still be this server's.
 *  2. Otherwise the store is restored from the newest snapshot (restore-store.ts).
 *  3. A bucket without a snapshot and without packs becomes that of a new store. As snapshots and
 *     packs may appear until it is taken over, it is looked at again after that.
 *
 *  A bucket that does not respond is waited for: nobody else knows whether it is empty. */
import { existsSync } from 'node:fs'
import { basename } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type BucketPlace, formatBucket } from '../../core/bucket-place.ts'
import { hasCode, invalidRequest } from '../../core/errors.ts'
import { formatExactDuration } from '../../core/units.ts'
import type { Log } from '../../log.ts'
import { sealedPackPath } from '../../packs/pack-layout.ts'
import { findPackPlace, takeOverBucket } from '../../packs/pack-place.ts'
import type { Bucket } from '../../packs/s3/bucket.ts'
import { withBucket } from '../../packs/with-bucket.ts'
import { databaseOf, keyFilesOf } from '../data-directory.ts'
import { listMetadata } from '../snapshot/snapshots.ts'
import {
  requireNoneBegun,
  restoreStore,
  type Restoring,
  type StoreSettings,
} from './restore-store.ts'

export interface RestoreSettings extends StoreSettings {
  /** Null: packs are on the disk, and nothing is restored. */
  packBucket: BucketPlace | null
  restore: boolean
  changesIntervalMs: number | null
  secretKey: Uint8Array | null
  attestationKey: Uint8Array | null
}

export interface RestoreAtStart extends Restoring {
  log: Log
}

/** Returns whether the store is a new one, which the bucket does not show yet.
 *  Errors: invalid_request (the bucket is another server's, or has packs but no snapshot; a restore
 *  was interrupted, and this start is none),
 *  blob_damaged (no snapshot is intact), storage_full, those of the bucket but busy. */
export async function restoreAtStart(
  settings: RestoreSettings,
  steps: RestoreAtStart,
): Promise<boolean> {
  const { dataDir, packBucket: place } = settings
  if (place === null || !settings.restore) {
    requireNoneBegun(dataDir)
    return false
  }
  warnOfLosses(settings, steps.log)
  return await onceItResponds(steps, async () => {
    if (existsSync(databaseOf(dataDir))) {
      await findPackPlace(dataDir, place)
      return false
    }
    requireNoRest(dataDir)
    return await withBucket(place, async (objects) => {
      for (let isOwn = false; ; isOwn = true) {
        if ((await listMetadata(objects)).some(({ kind }) => kind === 'snapshot')) {
          await restore(objects, { ...settings, place }, steps)
          return false
        }
        await requireNoPacks(objects, place)
        if (isOwn) return true
        await takeOverBucket(dataDir, { place, objects })
      }
    })
  })
}

/** A log without its database may hold what is nowhere else. */
function requireNoRest(dataDir: string): void {
  const rest = ['-wal', '-shm'].map((end) => databaseOf(dataDir) + end).find(existsSync)
  if (rest !== undefined)
    throw invalidRequest('data', `${rest} exists, but not the database; move it away`)
}

function warnOfLosses(
  { dataDir, changesIntervalMs, secretKey, attestationKey }: RestoreSettings,
  log: Log,
): void {
  if (changesIntervalMs !== null)
    log.warn(
      'the loss of the data directory loses what was acknowledged in the last TROVE_CHANGES_INTERVAL; with 0, nothing',
      { interval: formatExactDuration(changesIntervalMs) },
    )
  const given = [secretKey, attestationKey]
  const missing = keyFilesOf(dataDir).filter((path, at) => given[at] === null && !existsSync(path))
  if (missing.length > 0)
    log.warn(
      'keys are made anew, and with each data directory: tokens, sign-ins and links end with secret.key; give the keys as TROVE_SECRET_KEY and TROVE_ATTESTATION_KEY',
      { files: missing.map((path) => basename(path)).join(' ') },
    )
}

const retryMs = 5000

async function onceItResponds<T>(
  { log, onStep, signal }: RestoreAtStart,
  work: () => Promise<T>,
): Promise<T> {
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (!hasCode(error, 'busy')) throw error
      onStep('waiting for the bucket, which does not respond')
      log.warn('the bucket does not respond; the start waits for it', { error })
      await sleep(retryMs, undefined, { signal })
    }
  }
}

async function requireNoPacks(objects: Bucket, place: BucketPlace): Promise<void> {
  for await (const { key } of objects.list('packs/'))
    throw invalidRequest(
      'TROVE_S3_BUCKET',
      `${formatBucket(place)} has packs, such as ${key}, but no metadata snapshot to restore; \`trove recover --from-packs\` needs none`,
    )
}

async function restore(
  objects: Bucket,
  settings: RestoreSettings & { place: BucketPlace },
  { log, onStep, signal }: RestoreAtStart,
): Promise<void> {
  log.info('restoring the store of the bucket', { bucket: formatBucket(settings.place) })
  const restoring = { onStep: createTeller(log, onStep), signal }
  const { snapshot, imported } = await restoreStore(objects, settings, restoring)
  const unreadablePacks = imported.unreadablePacks.map(sealedPackPath)
  const report = { ...snapshot, ...imported, unreadablePacks: unreadablePacks.length }
  const { damagedSnapshots, lostChanges, damagedArtifacts, damagedPacks, damagedCopies } = report
  const faults = [damagedSnapshots, lostChanges, damagedArtifacts, damagedPacks, damagedCopies]
  if (faults.every((count) => count === 0)) log.info('restored', report)
  else log.warn('restored, but not all of it', report)
  if (unreadablePacks.length > 0)
    log.error('packs cannot be read; the server starts once they are moved away', {
      packs: unreadablePacks.join(' '),
    })
}

const tellMs = 10_000

/** Returns a function that passes each step on, and logs one every ten seconds. */
function createTeller(log: Log, onStep: (step: string) => void): (step: string) => void {
  let toldAt = performance.now()
  return (step) => {
    onStep(step)
    if (performance.now() - toldAt < tellMs) return
    toldAt = performance.now()
    log.info(step)
  }
}
