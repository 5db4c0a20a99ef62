/** Moves all packs of a store to another place, while no server runs on it. Each pack is copied
 *  and read back before the next. When all are there, the store switches to the new place. The old
 *  packs are deleted only then, and on their own: a move may stop in between. */
import { createDigestHasher, type Digest } from '../core/bytes/digest.ts'
import { blobDamaged, digestMismatch } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import { pagesOf } from '../core/slices.ts'
import { type PackName, type PackStore, type SealedPack, sizesOf } from '../packs/pack-store.ts'

export interface MoveReport {
  packs: number
  packBytes: number
  /** Packs that an earlier attempt had moved and read back. */
  packsThereBefore: number
}

interface Copying {
  from: PackStore
  to: PackStore
  signal: AbortSignal
}

export interface Move extends Copying {
  /** Makes the new place the current one, durably. */
  switchOver(): Promise<void>
  onProgress(progress: { doneBytes: number; totalBytes: number }): void
}

/** Moves the packs, but leaves the old ones. An interrupted move can be repeated, and resumes.
 *  Errors: digest_mismatch (the new place does not return what was written), blob_damaged (a pack
 *  cannot be read), those of the stores. */
export async function movePacks(move: Move): Promise<MoveReport> {
  const { from, to, signal } = move
  for (const place of [from, to]) await place.removeUnsealed(Number.POSITIVE_INFINITY)
  const present = await readBackIn(to)
  const packs = [...(await sizesOf(from))].map(([name, sizeBytes]) => ({ name, sizeBytes }))
  const totalBytes = packs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  const report = { packs: packs.length, packBytes: totalBytes, packsThereBefore: 0 }
  let doneBytes = 0
  for (const pack of packs) {
    signal.throwIfAborted()
    if (present.get(pack.name) === pack.sizeBytes) report.packsThereBefore += 1
    else await copyPack(move, pack)
    doneBytes += pack.sizeBytes
    move.onProgress({ doneBytes, totalBytes })
  }
  await move.switchOver()
  return report
}

/** Returns the sizes of the packs that earlier attempts have moved. The last one may not have been
 *  read back. */
async function readBackIn(to: PackStore): Promise<Map<PackName, number>> {
  const packs: (SealedPack & { modifiedAt: number })[] = []
  for await (const pack of to.list()) packs.push(pack)
  const last = packs.reduce((latest, { modifiedAt }) => Math.max(latest, modifiedAt), 0)
  const before = packs.filter(({ modifiedAt }) => modifiedAt < last)
  return new Map(before.map(({ name, sizeBytes }) => [name, sizeBytes]))
}

/** Empties a place in which a move has left packs; returns how many. `to`: where the packs of the
 *  store are now. What it lacks goes there first if the metadata knows it. Otherwise it was removed
 *  there, and would look like a part of another store.
 *  Errors: blob_damaged (a pack differs between the places), and as `movePacks`. */
export async function removeMoved({
  isKnown,
  ...copying
}: Copying & { isKnown(name: PackName): Promise<boolean> }): Promise<number> {
  const { from, to, signal } = copying
  const present = await sizesOf(to)
  let removed = 0
  for await (const pack of from.list()) {
    signal.throwIfAborted()
    const sizeBytes = present.get(pack.name)
    if (sizeBytes === undefined && (await isKnown(pack.name))) await copyPack(copying, pack)
    if (sizeBytes !== undefined && sizeBytes !== pack.sizeBytes)
      throw blobDamaged(
        `pack ${pack.name}, which a move has left behind, has ${pack.sizeBytes} bytes there and ${sizeBytes} where it is now`,
      )
    await from.remove(pack.name)
    removed += 1
  }
  return removed
}

async function copyPack({ from, to, signal }: Copying, pack: SealedPack): Promise<void> {
  // What is there is an incomplete copy, or was not read back.
  await to.remove(pack.name)
  const sink = await to.create(pack.name)
  const expected = createDigestHasher()
  try {
    for await (const bytes of readInPages(from, pack, signal)) {
      expected.update(bytes)
      await sink.write(bytes)
    }
    await sink.seal()
  } catch (error) {
    await sink.abort()
    throw error
  }
  await checkCopy(to, pack, { expected: expected.digest(), signal })
}

async function checkCopy(
  to: PackStore,
  pack: SealedPack,
  { expected, signal }: { expected: Digest; signal: AbortSignal },
): Promise<void> {
  const hasher = createDigestHasher()
  for await (const bytes of readInPages(to, pack, signal)) hasher.update(bytes)
  const actual = hasher.digest()
  if (actual === expected) return
  await to.remove(pack.name)
  throw digestMismatch(`pack ${pack.name} does not read back as it was written`, expected, actual)
}

async function* readInPages(
  store: PackStore,
  { name, sizeBytes }: SealedPack,
  signal: AbortSignal,
): AsyncGenerator<Buffer, void, undefined> {
  for (const { at, lengthBytes } of pagesOf(sizeBytes, limits.readWindowBytes)) {
    signal.throwIfAborted()
    yield await store.read(name, at, lengthBytes)
  }
}
