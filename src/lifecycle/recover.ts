/** Puts the store in order at start, before the first request, while this process alone has it open:
 *
 *  0. Packs that the database cannot account for stop everything: it is not theirs, and nothing may be deleted.
 *  1. Sessions and readers of the process before died with it; what the former staged goes, and nothing waits for the
 *     latter. A restored backup has those of the store that it was made of.
 *  2. Unsealed packs and packs without a row were never committed; they go. One of the latter that cannot be removed keeps
 *     nobody from starting: the next start comes to it again.
 *  3. Stock uploads that may still be finished keep their blocks; every other staging directory goes.
 *  4. A sweep takes what step 1 left without reference. What a round left that was stopped can be millions of rows, for
 *     which nobody should wait: beyond some seconds' work they are the next round's. */
import type { Staging } from '../ingest/staging.ts'
import { asError, storeError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { LifecyclePorts } from './ports.ts'
import { removeDeadPacks, sweepBlobs } from './sweep.ts'

export interface Recovery {
  sessions: number
  readLeases: number
  unsealedPacks: number
  unknownPacks: number
  stagingDirectories: number
  removedBlobs: number
  freedBytes: number
}

/** `onStuck` hears of each pack without a row that could not be removed. */
export async function recover(
  ports: LifecyclePorts & { staging: Staging; onStuck?: (pack: string, error: Error) => void },
): Promise<Recovery> {
  const unknown = await findUnknownPacks(ports)
  const sessions = await endSessions(ports)
  const readLeases = await endReadLeases(ports)
  const unsealedPacks = await ports.packs.removeUnsealed(Number.POSITIVE_INFINITY)
  const unknownPacks = await removePacks(ports, unknown)
  const stagingDirectories = await tidyStaging(ports)
  await ports.metadata.clearRemoved(limits.recoveryStepsMax)
  const removedBlobs = await sweepBlobs(ports, { blobsMax: limits.recoveryBlobsMax })
  // One that cannot be removed keeps nobody from starting: rounds come to it again, and say so.
  const { removed } = await removeDeadPacks(ports, 0)
  return {
    sessions,
    readLeases,
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
    const ids = await ports.metadata.listSessions(Number.POSITIVE_INFINITY, 100, ports.now())
    if (ids.length === 0) return ended
    for (const id of ids) await ports.metadata.abortSession(id)
    ended += ids.length
  }
}

async function endReadLeases({ metadata }: LifecyclePorts): Promise<number> {
  let ended = 0
  let closed: number[] = []
  for (;;) {
    const leases = (await metadata.listReadLeases(0, 100)).map(({ id }) => id)
    // On a full disk they stay and end by their own time. Until then they only keep what could go.
    if (leases.some((id) => closed.includes(id))) return ended
    ended += closed.length
    if (leases.length === 0) return ended
    await metadata.closeReadLeases(leases)
    closed = leases
  }
}

/** Times of files come from a coarser clock than others. */
const clockGrainMs = 50

/** Sealed packs without a row: what a crash leaves between sealing and registering. So many that no crash explains them,
 *  or any that are older than the database, belong to metadata that is lost, and nothing of them may go.
 *  Errors: invalid_request. */
async function findUnknownPacks({ metadata, packs }: LifecyclePorts): Promise<string[]> {
  const unknown: string[] = []
  const bornAt = await metadata.bornAt()
  let foreign = 0
  for await (const { name, modifiedAt } of packs.list()) {
    if (await metadata.hasPack(name)) continue
    unknown.push(name)
    if (modifiedAt < bornAt - clockGrainMs) foreign += 1
  }
  if (foreign === 0 && unknown.length <= limits.unknownPacksMax) return unknown
  throw storeError(
    'invalid_request',
    `the database does not know ${unknown.length} of the packs beside it, so it is new or older than they are; ` +
      'put the right one back, or take them in with `trove recover --from-packs`, which names those that must be moved away',
    { field: 'data' },
  )
}

async function removePacks(
  { packs, onStuck }: Parameters<typeof recover>[0],
  names: string[],
): Promise<number> {
  let removed = 0
  for (const name of names) {
    try {
      await packs.remove(name)
      removed += 1
    } catch (error) {
      onStuck?.(name, asError(error))
    }
  }
  return removed
}

/** Uploads older than their life are forgotten. The row goes first, since one whose bytes are just becoming an artifact may be
 *  done by then; a directory without a row is taken away by the next start. */
export async function dropStaleUploads(
  ports: LifecyclePorts & { staging: Staging },
): Promise<number> {
  let dropped = 0
  for (;;) {
    const stale = await ports.metadata.listStaleUploads(ports.now() - limits.uploadLifeMs, 100)
    if (stale.length === 0) return dropped
    for (const id of stale) {
      if (!(await ports.metadata.removeUpload(id))) continue
      await ports.staging.removeUpload(id)
      dropped += 1
    }
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
