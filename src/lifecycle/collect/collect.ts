/** Garbage collection: expire, release, sweep, compact, return pages. The plan predicts what a
 *  round will free, with the same counts and rules. Executing a round needs no plan, because
 *  every step finds its own work. */
import { limits } from '../../core/limits.ts'
import { groupsOf } from '../../core/slices.ts'
import type { DyingPack, PackOccupancy } from '../../metadata/metadata.ts'
import { compactPacks, createPace } from './compact.ts'
import {
  type CompactionReach,
  planCompaction,
  planMerge,
  sumDeadBytes,
  survivorOf,
} from './compaction-plan.ts'
import { dyingBytesOf, measureHeld } from './deletion.ts'
import { expire, releaseRemoved } from './expire.ts'
import { forgetHistory } from './forget-history.ts'
import { packsFrom } from '../pages.ts'
import type { LifecyclePorts } from '../ports.ts'
import { endSessions, mustWait, type RemovedPacks, removeDeadPacks, sweepBlobs } from './sweep.ts'
import { listWasteful, packsToRewrite, tinyPacks } from './wasteful-packs.ts'

/** Reach `now` waits for no grace period, and rewrites every pack more than a twentieth dead. */
export interface CollectOptions {
  reach: CompactionReach
  /** Bytes per second that compaction may move; null is unlimited. */
  compactBytesPerSecond: number | null
  /** Whether the disk has room for that many more bytes; packs are not rewritten while it has
   *  not. */
  hasRoom(bytes: number): Promise<boolean>
  /** How long the history of ended things is kept. */
  historyMs: number
  /** Clock that decides what is old enough to forget. It must not run ahead: dropping a
   *  revocation too early makes the revoked token valid again once the clock is corrected. */
  believedNow(): number
  /** Called after every step; a round has many. */
  onProgress?: (progress: Collection) => void
}

export type PlanOptions = Pick<CollectOptions, 'reach'>

export interface Collection {
  /** Artifacts that expired. */
  expired: number
  /** Removed artifacts that gave up their bytes. */
  deletedArtifacts: number
  /** Pack bytes returned to the disk, less the new packs. Includes packs whose removal failed
   *  although the file was already gone, which only the disk knows. */
  freedBytes: number
  /** Pack bytes that are dead, or belong to removed artifacts, and wait for a reader or a grace
   *  period. */
  waitingBytes: number
  /** Names of the packs that hold them, at most `limits.packsNamedMax`. */
  waitingPacks: string[]
  /** Logical bytes of deleted artifacts that can still be restored, and hold their bytes until they
   *  cannot: after the round, or of a plan before it. */
  restorableBytes: number
  /** Pack bytes that stay because the disk has no room to rewrite their packs; a plan assumes that
   *  it has. */
  noRoomBytes: number
  removedBlobs: number
  removedPacks: number
  rewrittenPacks: number
}

/** What `collect` would do now. Read-only; the cost is proportional to what would be deleted, and
 *  to the number of packs more than a twentieth dead.
 *  Errors: the abort reason of `ports.signal`. */
export async function planCollection(
  ports: LifecyclePorts,
  { reach }: PlanOptions,
): Promise<Collection> {
  const { metadata, signal } = ports
  const now = ports.now()
  const question = {
    artifactIds: null,
    releasableBy: reach === 'now' ? Number.POSITIVE_INFINITY : now,
    shared: false,
    now,
  }
  const { expired, released, packs } = await metadata.measureRemoval(
    { ...question, readersHold: true },
    signal,
  )
  const dying = new Map<number, DyingPack>(packs.map((pack) => [pack.id, pack]))
  const look = (pack: PackOccupancy): DyingPack => {
    const known = dying.get(pack.id) ?? { ...pack, dyingCount: 0, dyingBytes: 0 }
    dying.set(pack.id, known)
    return known
  }
  for await (const pack of listWasteful(ports, 'partlyDead')) look(pack)
  const tiny: DyingPack[] = []
  for await (const pack of tinyPacks(ports, (pack) => survivorOf(look(pack)).liveCount))
    tiny.push(look(pack))
  const figures = await metadata.figures()
  const liveBytes = figures.liveBytes - dyingBytesOf(packs)
  const plan = planCompaction(dying.values(), { reach, tiny, liveBytes })
  const dead = await deadPackBytes(ports, graceOf(reach))
  const bytes = plan.freedBytes + dead.bytes
  // A reader holds every pack that dies from now on; in the background, packs wait for their grace
  // period as well.
  const isRead = (await metadata.listReadLeases(now, 1)).length > 0
  const isHeld = reach === 'background' || isRead
  const withoutReaders = isRead
    ? await metadata.measureRemoval({ ...question, readersHold: false }, signal)
    : { packs }
  const readBytes = Math.max(0, dyingBytesOf(withoutReaders.packs) - dyingBytesOf(packs))
  return {
    ...emptyCollection(),
    expired,
    deletedArtifacts: released,
    freedBytes: isHeld ? dead.freeBytes : bytes,
    waitingBytes: readBytes + (isHeld ? bytes - dead.freeBytes : 0),
    restorableBytes: figures.removedBytes,
    removedPacks: plan.remove.length,
    rewrittenPacks: plan.rewrite.length,
  }
}

/** Runs a round.
 *  Errors: the abort reason of `ports.signal`; storage_full when the disk has no room even to
 *  delete; the first error of removing a pack. */
export async function collect(ports: LifecyclePorts, options: CollectOptions): Promise<Collection> {
  const { now } = ports
  const isNow = options.reach === 'now'
  const graceMs = graceOf(options.reach)
  const result = emptyCollection()
  const report = (): void => options.onProgress?.({ ...result })
  const reporting =
    (figure: 'expired' | 'deletedArtifacts' | 'removedBlobs') =>
    (count: number): void => {
      result[figure] = count
      report()
    }

  await endSessions(ports, now())
  await expire(ports, reporting('expired'))
  const by = isNow ? Number.POSITIVE_INFINITY : now()
  const waiting = await releaseRemoved(ports, by, reporting('deletedArtifacts'))
  await ports.checkpoint?.('released')
  await sweepBlobs(ports, { onProgress: reporting('removedBlobs') })
  // Packs that are dead as a whole go before anything is written, so that a full disk gains room.
  addRemoved(result, await removeDeadPacks(ports, graceMs))
  report()
  result.noRoomBytes = await compact(ports, options, ({ rewrittenPacks, writtenBytes }) => {
    result.rewrittenPacks += rewrittenPacks
    result.freedBytes -= writtenBytes
    report()
  })
  const last = await removeDeadPacks(ports, graceMs)
  addRemoved(result, last)
  await addHeld(ports, result, { artifactIds: waiting, by })
  await forgetHistory(ports, { now: options.believedNow(), historyMs: options.historyMs })
  await returnPages(ports)
  result.restorableBytes = (await ports.metadata.figures()).removedBytes
  report()
  // Reported, so that it is logged, once everything else is done.
  if (last.failures.length > 0) throw last.failures[0]
  return result
}

/** How long packs stay at least after their death. */
function graceOf(reach: CompactionReach): number {
  return reach === 'now' ? 0 : limits.deadPackGraceMs
}

function emptyCollection(): Collection {
  return {
    expired: 0,
    deletedArtifacts: 0,
    freedBytes: 0,
    waitingBytes: 0,
    waitingPacks: [],
    restorableBytes: 0,
    noRoomBytes: 0,
    removedBlobs: 0,
    removedPacks: 0,
    rewrittenPacks: 0,
  }
}

function addRemoved(result: Collection, packs: RemovedPacks): void {
  for (const sizeBytes of packs.removed.values()) result.freedBytes += sizeBytes
  result.removedPacks += packs.removed.size
  result.waitingPacks = packs.waiting
  result.waitingBytes = packs.waitingBytes
}

/** Adds the bytes of removed artifacts that are being read: they wait for the reader, and the
 *  result names their packs. */
async function addHeld(
  { metadata, now }: LifecyclePorts,
  result: Collection,
  { artifactIds, by }: { artifactIds: number[]; by: number },
): Promise<void> {
  if (artifactIds.length === 0) return
  const held = await measureHeld(metadata, artifactIds, { by, now: now() })
  const names = new Set([...result.waitingPacks, ...held.packs])
  result.waitingPacks = [...names].slice(0, limits.packsNamedMax)
  result.waitingBytes += held.bytes
}

/** `onRewritten` is called after each batch of packs; all of them can take hours. Returns
 *  `Collection.noRoomBytes`. */
async function compact(
  ports: LifecyclePorts,
  options: CollectOptions,
  onRewritten: (done: { rewrittenPacks: number; writtenBytes: number }) => void,
): Promise<number> {
  const pace = createPace(options.compactBytesPerSecond, ports.signal)
  // Listed before anything is written, so that packs made by compaction are no candidates in the
  // same round.
  const packs = new Map<number, PackOccupancy>()
  for (const pack of await packsToRewrite(ports, options.reach)) packs.set(pack.id, pack)
  const tiny: PackOccupancy[] = []
  for await (const pack of tinyPacks(ports, ({ liveCount }) => liveCount)) tiny.push(pack)
  for (const pack of planMerge(tiny)) packs.set(pack.id, pack)
  const isOpen = (batch: readonly PackOccupancy[]): boolean =>
    sumBytes(batch) < limits.packTargetBytes
  let noRoomBytes = 0
  for (const batch of groupsOf([...packs.values()], isOpen)) {
    if (await options.hasRoom(sumBytes(batch))) onRewritten(await compactPacks(ports, batch, pace))
    else noRoomBytes += sumDeadBytes(batch)
  }
  return noRoomBytes
}

function sumBytes(packs: readonly PackOccupancy[]): number {
  return packs.reduce((sum, pack) => sum + pack.liveBytes, 0)
}

/** Bytes of packs without live copies, and of those among them that nothing holds. */
async function deadPackBytes(
  { metadata, now }: LifecyclePorts,
  graceMs: number,
): Promise<{ bytes: number; freeBytes: number }> {
  const sum = { bytes: 0, freeBytes: 0 }
  const at = now()
  const packs = packsFrom({ id: 0 }, ({ id: after }, limit) =>
    metadata.listDeadPacks(at, { after, limit }),
  )
  for await (const pack of packs) {
    sum.bytes += pack.sizeBytes
    if (!mustWait(pack, { now: at, graceMs })) sum.freeBytes += pack.sizeBytes
  }
  return sum
}

async function returnPages({ metadata, signal }: LifecyclePorts): Promise<void> {
  for (let left = Infinity; left > 0;) {
    signal?.throwIfAborted()
    const now = await metadata.returnPages(limits.databasePagesPerStep)
    // Pages that the log still needs cannot be returned; the next round returns them.
    if (now >= left) return
    left = now
  }
}
