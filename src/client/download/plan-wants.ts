/** Plans what to fetch of large files that are partly available: as an unfinished file of an
 *  earlier attempt, or as another version in DEST. Only parts that neither has are fetched. */
import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import pLimit from 'p-limit'
import type { ListedParts } from '../../core/bytes/blob-exchange.ts'
import {
  type Digest,
  digestBytes,
  digestFromBytes,
  digestToBytes,
} from '../../core/bytes/digest.ts'
import { StoreError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { FileError } from '../files/file-error.ts'
import type { CopyTask } from '../files/file-tasks.ts'
import { untilAborted } from '../files/until-aborted.ts'
import { type Destination, place } from './destination.ts'
import type { Downloading } from './downloading.ts'
import { notKnown } from './known-files.ts'
import { listParts } from './list-parts.ts'
import { partialPath } from './partial-tree.ts'
import type { FetchedTree } from './tree-columns.ts'
import type { Wants } from './wanted-streams.ts'

/** Larger files are fetched whole: listing the parts of a file of this size takes some 60 MB of
 *  memory. */
const plannedBytesMax = 128 * 1024 ** 3

/** Returns large files of which DEST has another version. */
export function findOlder(
  { tree, destination }: { tree: FetchedTree; destination: Destination },
  large: readonly number[],
): number[] {
  return large.filter(
    (ordinal) =>
      destination.places[ordinal] === place.same &&
      isLargeFile(join(destination.root, tree.path(ordinal))),
  )
}

function isLargeFile(path: string): boolean {
  return (lstatSync(path, { throwIfNoEntry: false })?.size ?? 0) >= limits.chunkMinBytes
}

export interface AtHand {
  /** Files of full length, of which some parts may be in place. */
  unfinished: ReadonlySet<number>
  /** Files of which DEST has another version. */
  older: ReadonlySet<number>
}

/** Returns what to fetch of partly available files: missing parts, or the whole file if it has
 *  no parts. `onHeld` is called with bytes that were already in place. Errors: FileError, and
 *  those of requests. */
export async function planWants(
  downloading: Downloading,
  atHand: AtHand,
  onHeld: (bytes: number) => void,
): Promise<Wants> {
  const { tree, pool, signal } = downloading
  const ordinals = [...new Set([...atHand.unfinished, ...atHand.older])].toSorted((a, b) => a - b)
  const { sizeBytes } = tree
  const planned = ordinals.filter((ordinal) => sizeBytes(ordinal) <= plannedBytesMax)
  const parts = new Map<number, number[]>()
  const older = planned.filter((ordinal) => atHand.older.has(ordinal))
  const limit = pLimit(pool.threads)
  const [listed, earlier] = await Promise.all([
    listParts({ ...downloading, sizeBytes }, planned),
    listEarlier(downloading, older),
  ])
  const plan = async (file: ListedParts): Promise<void> => {
    const { ordinal } = file
    let missing = [...file.parts.keys()]
    if (atHand.unfinished.has(ordinal)) missing = await notInPlace(downloading, file, onHeld)
    if (atHand.older.has(ordinal) && missing.length > 0)
      missing = await reuseOlder(downloading, file, { missing, held: earlier.get(ordinal) })
    parts.set(ordinal, missing)
  }
  const plans = listed.map(async (each) => await limit(plan, each))
  await untilAborted(Promise.all(plans), signal)
  return { ordinals: ordinals.filter((ordinal) => parts.get(ordinal)?.length !== 0), parts }
}

/** Returns the parts that are not in place. */
async function notInPlace(
  { pool, tree, destination, progress, reportProgress }: Downloading,
  { ordinal, parts }: ListedParts,
  onHeld: (bytes: number) => void,
): Promise<number[]> {
  const { isThere } = await pool.run({
    kind: 'findParts',
    path: partialPath(destination, tree, ordinal),
    sizes: Uint32Array.from(parts, (part) => part.sizeBytes),
    digests: Buffer.concat(parts.map((part) => digestToBytes(part.digest))),
  })
  const held = parts.reduce((sum, part, index) => sum + isThere[index]! * part.sizeBytes, 0)
  onHeld(held)
  progress.doneBytes += held
  reportProgress()
  return [...parts.keys()].filter((index) => isThere[index] === 0)
}

/** Copies those missing parts that the older file has; returns the others. Returns all if the
 *  older file cannot be read or changes meanwhile. */
async function reuseOlder(
  { pool, tree, destination, progress, reportProgress }: Downloading,
  { ordinal, parts }: ListedParts,
  { missing, held }: { missing: number[]; held: PartOffsets | undefined },
): Promise<number[]> {
  const from = join(destination.root, tree.path(ordinal))
  const to = partialPath(destination, tree, ordinal)
  const wanted = new Set(missing)
  const left: number[] = []
  const pieces: CopyTask['pieces'] = []
  try {
    const offsets = held ?? (await offsetsIn(pool, from))
    let at = 0
    for (const [index, { digest, sizeBytes }] of parts.entries()) {
      const offset = offsets.get(digest)
      if (wanted.has(index)) {
        if (offset === undefined) left.push(index)
        else pieces.push({ from: offset, to: at, sizeBytes, digest })
      }
      at += sizeBytes
    }
    await pool.run({ kind: 'copy', from, to, pieces })
  } catch (error) {
    if (!(error instanceof FileError) || error.path !== from) throw error
    return missing
  }
  progress.doneBytes += pieces.reduce((sum, piece) => sum + piece.sizeBytes, 0)
  reportProgress()
  return left
}

/** Offset of each part in a file. */
type PartOffsets = ReadonlyMap<Digest, number>

/** Lists the parts of older files that an earlier download left unchanged, which saves reading
 *  and cutting them. Returns none if the server no longer has that artifact. */
async function listEarlier(
  { server, earlier, signal }: Downloading,
  older: readonly number[],
): Promise<Map<number, PartOffsets>> {
  const held = new Map<number, PartOffsets>()
  if (earlier === null) return held
  const { artifactId, ordinals, sizeBytes } = earlier
  const known = new Map(older.map((ordinal) => [ordinals[ordinal]!, ordinal]))
  known.delete(notKnown)
  try {
    const artifact = { server, artifactId, sizeBytes, signal }
    for (const { ordinal, parts } of await listParts(artifact, [...known.keys()]))
      held.set(known.get(ordinal)!, offsetsOf(parts))
  } catch (error) {
    if (!(error instanceof StoreError)) throw error
  }
  return held
}

async function offsetsIn(pool: Downloading['pool'], path: string): Promise<PartOffsets> {
  const { sizes, digests } = await pool.run({ kind: 'chunk', path })
  return offsetsOf(
    Array.from(sizes, (sizeBytes, index) => ({
      sizeBytes,
      digest: digestFromBytes(digests.subarray(index * digestBytes, (index + 1) * digestBytes)),
    })),
  )
}

function offsetsOf(parts: ListedParts['parts']): PartOffsets {
  const offsets = new Map<Digest, number>()
  let offset = 0
  for (const { digest, sizeBytes } of parts) {
    offsets.set(digest, offset)
    offset += sizeBytes
  }
  return offsets
}
