/** Opens the store of a data directory without a server, for maintenance by hand. Takes the
 *  directory's lock, so it never runs beside a server: the recovery of a server that starts would
 *  end the leases of a backup or scrub, and delete what they read. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Config } from '../../config/config.ts'
import { openStaging } from '../../ingest/staging/staging.ts'
import { databaseOf } from '../../lifecycle/data-directory.ts'
import { type DiskSpace, openDiskSpace } from '../../lifecycle/disk-space.ts'
import type { LifecyclePorts } from '../../lifecycle/ports.ts'
import { recover } from '../../lifecycle/recovery/recover.ts'
import { lockDataDir, wasEverLocked } from '../../metadata/sqlite/data-lock.ts'
import type { Metadata } from '../../metadata/metadata.ts'
import { openMetadataWorker } from '../../metadata/sqlite/thread/sqlite-worker.ts'
import { openPackStore } from '../../packs/open-pack-store.ts'
import { findPackPlace, openPlaceCheck, type PlaceCheck } from '../../packs/pack-place.ts'
import type { PackStore } from '../../packs/pack-store.ts'
import { UsageError } from '../arguments.ts'

export interface LocalStore {
  ports: LifecyclePorts
  space: DiskSpace
  config: Config
  /** The current time, but no later than where a server left its clock: nothing here checks the
   *  system clock. */
  believedNow(): number
}

/** Runs `work` on the store after the recovery that a server does at start, before its sweep.
 *  Errors: UsageError (no store), DataLockedError, and those of `work`. */
export async function withLocalStore<T>(
  config: Config,
  { command, signal }: { command: string; signal: AbortSignal },
  work: (store: LocalStore) => Promise<T>,
): Promise<T> {
  const { dataDir } = config
  if (!existsSync(databaseOf(dataDir)) && !wasEverLocked(dataDir))
    throw new UsageError(`no store in ${dataDir}`)
  return await withStorage(config, command, async ({ metadata, packs, space }) => {
    const staging = await openStaging(join(dataDir, 'cas', 'staging', 'uploads'), {
      uploadBytesMax: config.artifactBytesMax,
    })
    const ports = { metadata, packs, now: Date.now, signal }
    const believed = (await metadata.believedTime()) ?? Infinity
    const believedNow = (): number => Math.min(Date.now(), believed)
    // The next start of a server reports what could not be removed.
    await recover({ ...ports, staging, now: believedNow })
    return await work({ ports, space, config, believedNow })
  })
}

/** Runs `work` on what the directory holds, as it is. Errors: DataLockedError, those of `work`. */
export async function withStorage<T>(
  { dataDir: directory, minFreeBytes, packBucket }: Config,
  command: string,
  work: (storage: { metadata: Metadata; packs: PackStore; space: DiskSpace }) => Promise<T>,
): Promise<T> {
  const lock = lockDataDir(directory, command)
  let check: PlaceCheck | undefined
  try {
    const space = await openDiskSpace({ directory, minFreeBytes })
    await space.makeRoom()
    const place = await findPackPlace(directory, packBucket)
    check = await openPlaceCheck(directory, place)
    const packs = await openPackStore(place, check.requireOwn)
    const metadata = await openMetadataWorker({ path: databaseOf(directory) })
    try {
      return await work({ metadata, packs, space })
    } finally {
      await packs.close()
      await metadata.close()
    }
  } finally {
    check?.close()
    lock.release()
  }
}
