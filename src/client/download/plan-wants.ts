/** What a download asks for of large files of which something is at hand: an unfinished one that an earlier try has left, or
 *  another version in DEST. Only parts that neither has are fetched. */
import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import pLimit from 'p-limit'
import type { ListedParts } from '../../core/blob-exchange.ts'
import { type Digest, digestBytes, digestFromBytes, digestToBytes } from '../../core/digest.ts'
import { limits } from '../../core/limits.ts'
import { FileError } from '../files/file-error.ts'
import type { CopyTask } from '../files/file-tasks.ts'
import { untilAborted } from '../files/until-aborted.ts'
import { type Destination, place } from './destination.ts'
import type { Downloading } from './downloading.ts'
import { listParts } from './list-parts.ts'
import { partialPath } from './partial-tree.ts'
import type { FetchedTree } from './tree-columns.ts'
import type { Wants } from './wanted-streams.ts'

/** Larger files are fetched whole: to know the parts of one takes some 60 MB of memory by then. */
const plannedBytesMax = 128 * 1024 ** 3

/** Large files of which DEST has another version. */
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
  /** Files of their full length of which parts may be in place. */
  unfinished: ReadonlySet<number>
  /** Files of which DEST has another version. */
  older: ReadonlySet<number>
}

/** What to ask for of files of which something is at hand: what neither has, or the whole where they have no parts. `heldBytes`
 *  is told of what was in place already. Errors: FileError, and those of requests. */
export async function planWants(
  downloading: Downloading,
  atHand: AtHand,
  heldBytes: (bytes: number) => void,
): Promise<Wants> {
  const { tree, pool, signal } = downloading
  const ordinals = [...new Set([...atHand.unfinished, ...atHand.older])].toSorted((a, b) => a - b)
  const sizeBytes = (ordinal: number): number => tree.sizeBytes(ordinal)
  const planned = ordinals.filter((ordinal) => sizeBytes(ordinal) <= plannedBytesMax)
  const parts = new Map<number, number[]>()
  const limit = pLimit(pool.threads)
  const plan = async (listed: ListedParts): Promise<void> => {
    const { ordinal } = listed
    let missing = [...listed.parts.keys()]
    if (atHand.unfinished.has(ordinal)) missing = await notInPlace(downloading, listed, heldBytes)
    if (atHand.older.has(ordinal) && missing.length > 0)
      missing = await reuseOlder(downloading, listed, missing)
    parts.set(ordinal, missing)
  }
  const listed = await listParts({ ...downloading, sizeBytes }, planned)
  const plans = listed.map(async (each) => await limit(plan, each))
  await untilAborted(Promise.all(plans), signal)
  return { ordinals: ordinals.filter((ordinal) => parts.get(ordinal)?.length !== 0), parts }
}

/** Answers which parts are not where they belong. */
async function notInPlace(
  { pool, tree, destination, progress, tell }: Downloading,
  { ordinal, parts }: ListedParts,
  heldBytes: (bytes: number) => void,
): Promise<number[]> {
  const { isThere } = await pool.run({
    kind: 'findParts',
    path: partialPath(destination, tree, ordinal),
    sizes: Uint32Array.from(parts, (part) => part.sizeBytes),
    digests: Buffer.concat(parts.map((part) => digestToBytes(part.digest))),
  })
  const held = parts.reduce((sum, part, index) => sum + isThere[index]! * part.sizeBytes, 0)
  heldBytes(held)
  progress.doneBytes += held
  tell()
  return [...parts.keys()].filter((index) => isThere[index] === 0)
}

/** Copies those of the missing parts that the older file has; answers the others: all, where it cannot be read or changes
 *  meanwhile. */
async function reuseOlder(
  downloading: Downloading,
  listed: ListedParts,
  missing: readonly number[],
): Promise<number[]> {
  const { tree, destination } = downloading
  const from = join(destination.root, tree.path(listed.ordinal))
  const to = partialPath(destination, tree, listed.ordinal)
  try {
    return await copyShared(downloading, { from, to, parts: listed.parts }, missing)
  } catch (error) {
    if (!(error instanceof FileError) || error.path !== from) throw error
    return [...missing]
  }
}

/** Errors: FileError. */
async function copyShared(
  { pool, progress, tell }: Downloading,
  { from, to, parts }: { from: string; to: string; parts: ListedParts['parts'] },
  wanted: readonly number[],
): Promise<number[]> {
  const held = await offsetsIn(pool, from)
  const missing: number[] = []
  const pieces: CopyTask['pieces'] = []
  const isWanted = new Set(wanted)
  let at = 0
  for (const [index, { digest, sizeBytes }] of parts.entries()) {
    const offset = held.get(digest)
    if (isWanted.has(index)) {
      if (offset === undefined) missing.push(index)
      else pieces.push({ from: offset, to: at, sizeBytes, digest })
    }
    at += sizeBytes
  }
  await pool.run({ kind: 'copy', from, to, pieces })
  progress.doneBytes += pieces.reduce((sum, piece) => sum + piece.sizeBytes, 0)
  tell()
  return missing
}

/** Where in a file each of its parts begins. */
async function offsetsIn(pool: Downloading['pool'], path: string): Promise<Map<Digest, number>> {
  const cut = await pool.run({ kind: 'chunk', path })
  const offsets = new Map<Digest, number>()
  let offset = 0
  for (const [index, sizeBytes] of cut.sizes.entries()) {
    const digest = cut.digests.subarray(index * digestBytes, (index + 1) * digestBytes)
    offsets.set(digestFromBytes(digest), offset)
    offset += sizeBytes
  }
  return offsets
}
