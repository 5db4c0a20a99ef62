/** Puts the store in order at start, before the first request, while this process alone has it open:
 *
 *  1. Sessions of the process before died with it; what they staged goes.
 *  2. Unsealed packs and packs without a row were never committed; they go.
 *  3. Stock uploads that may still be finished keep their blocks; every other staging directory goes.
 *  4. A sweep takes what step 1 left without reference. */
import type { Staging } from '../ingest/staging.ts'
import { limits } from '../core/limits.ts'
import type { LifecyclePorts } from './ports.ts'
import { removeDeadPacks, sweepBlobs } from './sweep.ts'

export interface Recovery {
  sessions: number
  unsealedPacks: number
  unknownPacks: number
  stagingDirectories: number
  removedBlobs: number
  freedBytes: number
}

export async function recover(ports: LifecyclePorts & { staging: Staging }): Promise<Recovery> {
  const sessions = await endSessions(ports)
  const unsealedPacks = await ports.packs.removeUnsealed(Number.POSITIVE_INFINITY)
  const unknownPacks = await removeUnknownPacks(ports)
  const stagingDirectories = await tidyStaging(ports)
  const removedBlobs = await sweepBlobs(ports)
  const { removed } = await removeDeadPacks(ports, 0)
  return {
    sessions,
    unsealedPacks,
    unknownPacks,
    stagingDirectories,
    removedBlobs,
    freedBytes: [...removed.values()].reduce((sum, bytes) => sum + bytes, 0),
  }
}

async function endSessions(ports: LifecyclePorts): Promise<number> {
  let ended = 0
  for (;;) {
    const ids = await ports.metadata.listSessions(Number.POSITIVE_INFINITY, 100)
    if (ids.length === 0) return ended
    for (const id of ids) await ports.metadata.abortSession(id)
    ended += ids.length
  }
}

async function removeUnknownPacks(ports: LifecyclePorts): Promise<number> {
  let removed = 0
  for await (const pack of ports.packs.list()) {
    if (await ports.metadata.hasPack(pack.name)) continue
    await ports.packs.remove(pack.name)
    removed += 1
  }
  return removed
}

/** Uploads older than their life are forgotten; the directory goes first, so that no row is left without a trace. */
export async function dropStaleUploads(
  ports: LifecyclePorts & { staging: Staging },
): Promise<number> {
  let dropped = 0
  for (;;) {
    const stale = await ports.metadata.listStaleUploads(ports.now() - limits.uploadLifeMs, 100)
    if (stale.length === 0) return dropped
    for (const id of stale) {
      await ports.staging.removeUpload(id)
      await ports.metadata.removeUpload(id)
    }
    dropped += stale.length
  }
}

async function tidyStaging(ports: LifecyclePorts & { staging: Staging }): Promise<number> {
  let removed = await dropStaleUploads(ports)
  const live = new Set(await ports.metadata.listLiveUploads())
  for (const id of await ports.staging.listUploads()) {
    if (!live.has(id)) {
      await ports.staging.removeUpload(id)
      removed += 1
      continue
    }
    const upload = await ports.metadata.findUpload(id)
    await ports.staging.tidyUpload(id, { isAccepted: upload?.state === 'assembled' })
  }
  return removed
}
