/** Cleans up the store at start, before the first request, while only this process has it open:
 *
 *  0. Unknown packs that no crash explains stop everything: the database is not theirs, and nothing
 *     may be deleted.
 *  1. End the sessions and read leases of the previous process, which died with it, and delete what
 *     the sessions staged, and what commits had staged whose sessions go on. A restored backup has
 *     those of the store it was made from.
 *  2. Remove unsealed packs and packs without a row, which were never committed. A pack without a
 *     row that cannot be removed does not prevent the start; the next start tries again.
 *  3. Keep the blocks of stock uploads that may still be finished; delete every other staging
 *     directory.
 *
 *  Then a server sweeps what step 1 left unreferenced. Commands on the directory do not: garbage
 *  collection counts what it frees, and its dry run frees nothing. */
import type { Staging } from '../../ingest/staging/staging.ts'
import { asError, invalidRequest } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { copyPages } from '../pages.ts'
import { sealedPackPath } from '../../packs/pack-layout.ts'
import { missingPacks } from './missing-packs.ts'
import type { LifecyclePorts } from '../ports.ts'
import { endSessions, removeDeadPacks, sweepBlobs } from '../collect/sweep.ts'

export interface Recovery {
  sessions: number
  readLeases: number
  unsealedPacks: number
  unknownPacks: number
  stagingDirectories: number
}

export interface Swept {
  removedBlobs: number
  freedBytes: number
}

/** `onStuck` is called for each pack without a row that could not be removed. */
export async function recover(
  ports: LifecyclePorts & { staging: Staging; onStuck?: (pack: string, error: Error) => void },
): Promise<Recovery> {
  const unknown = await findUnknownPacks(ports)
  const sessions = await endSessions(ports, Number.POSITIVE_INFINITY)
  await ports.metadata.unstageManifests(null)
  const readLeases = await endReadLeases(ports)
  const unsealedPacks = await ports.packs.removeUnsealed(Number.POSITIVE_INFINITY)
  const unknownPacks = await removePacks(ports, unknown)
  const stagingDirectories = await tidyStaging(ports)
  return { sessions, readLeases, unsealedPacks, unknownPacks, stagingDirectories }
}

/** Deletes what nothing refers to after a recovery. A round that was stopped can leave millions of
 *  rows, for which nobody should wait: after some seconds of work the rest is left for the next
 *  round. */
export async function sweepAtStart(ports: LifecyclePorts): Promise<Swept> {
  await ports.metadata.clearRemoved(limits.recoveryStepsMax)
  const removedBlobs = await sweepBlobs(ports, { blobsMax: limits.recoveryBlobsMax })
  // A dead pack that cannot be removed does not prevent the start: rounds try again, and report it.
  const { removed } = await removeDeadPacks(ports, 0)
  const freedBytes = [...removed.values()].reduce((sum, bytes) => sum + bytes, 0)
  return { removedBlobs, freedBytes }
}

async function endReadLeases({ metadata }: LifecyclePorts): Promise<number> {
  let ended = 0
  let closed: number[] = []
  for (;;) {
    const leases = await metadata.listReadLeases(0, 100)
    // On a full disk they stay and end at their own time. Until then they only protect what could
    // be deleted.
    if (leases.some((id) => closed.includes(id))) return ended
    ended += closed.length
    if (leases.length === 0) return ended
    await metadata.closeReadLeases(leases)
    closed = leases
  }
}

/** Modification times of files come from a coarser clock than other times. */
const clockGrainMs = 50

/** Sealed packs without a row, which a crash leaves between sealing and registering, and a service
 *  that fails while it loses answers. More than a crash explains since the database last noted the
 *  time, any that are older than the database, or any beside packs that are missing, since what
 *  these held may have been compacted into them, belong to lost metadata. None of them may be
 *  deleted.
 *  Errors: invalid_request. */
async function findUnknownPacks(ports: LifecyclePorts): Promise<string[]> {
  const { metadata, packs } = ports
  const unknown: string[] = []
  const bornAt = await metadata.bornAt()
  const notedAt = (await metadata.believedTime()) ?? bornAt
  let foreign = 0
  let recent = 0
  const choose = async (names: string[]): Promise<string[]> => await metadata.unknownPacks(names)
  for await (const { name, modifiedAt } of packs.list(choose)) {
    unknown.push(name)
    if (modifiedAt < bornAt - clockGrainMs) foreign += 1
    if (modifiedAt > notedAt) recent += 1
  }
  if (unknown.length === 0) return unknown
  const isExplained = foreign === 0 && recent <= limits.unknownPacksMax
  if (isExplained && !(await lacksPacks(ports))) return unknown
  const named = unknown.slice(0, packsNamed).map(sealedPackPath).join(', ')
  throw invalidRequest(
    'data',
    `the database does not know ${unknown.length} of the packs beside it (${named}${unknown.length > packsNamed ? ', …' : ''}), ` +
      'so it is new or older than these packs; restore the right database, or import the packs with `trove recover --from-packs`, ' +
      'which lists packs that must be moved away',
  )
}

/** Packs that the error names. */
const packsNamed = 3

/** Whether packs are missing that hold more than what is known to be damaged: that was lost while
 *  the metadata was this store's. */
async function lacksPacks(ports: LifecyclePorts): Promise<boolean> {
  for await (const { id } of missingPacks(ports)) {
    for await (const copies of copyPages(ports.metadata, id)) {
      if (copies.some(({ damaged }) => !damaged)) return true
    }
  }
  return false
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

/** Deletes uploads past their lifetime. The row goes first, since an upload that is just
 *  becoming an artifact may be done by then; a directory without a row is deleted by the next
 *  start. */
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
