/** The differences between two manifests. Merges two sorted lists, then matches moves among the
 *  added and removed files. Reads no file contents; memory is bounded by
 *  `limits.compareDifferencesMax`, `comparePathCharactersMax` and `comparisonsMax`. */
import pLimit from 'p-limit'
import { limits } from '../core/limits.ts'
import { slicesOf } from '../core/slices.ts'
import { nextTurn } from '../core/turn.ts'
import type {
  ComparedEntry,
  ComparedStretch,
  ComparePlace,
  Metadata,
} from '../metadata/metadata.ts'
import { type Difference, differenceOf } from './difference.ts'
import { createGrowthSum, type Growth } from './growth.ts'

export interface Comparison {
  /** Ordered by the path in head, or in base where head has none. */
  differences: Difference[]
  /** Counts of all differences, listed or not. */
  totals: Record<Difference['kind'] | 'unchanged', number>
  /** False when there were more differences, or longer paths, than the bounds. The rest are
   *  counted but not listed, and moves are matched among the listed ones only. */
  complete: boolean
  /** Covers all differences, listed or not. */
  growth: Growth
}

const inTurn = pLimit(limits.comparisonsMax)

/** Compares two artifacts and returns what `use` makes of it; others wait until `use` is done. */
export async function compareEntries<Result>(
  sides: Parameters<typeof compareNow>,
  use: (comparison: Comparison) => Result | Promise<Result>,
): Promise<Result> {
  return await inTurn(async () => await use(await compareNow(...sides)))
}

async function compareNow(
  reader: Pick<Metadata, 'readDifferences'>,
  baseId: number,
  headId: number,
  signal?: AbortSignal,
): Promise<Comparison> {
  const totals = { added: 0, removed: 0, changed: 0, moved: 0, mode: 0, unchanged: 0 }
  const differences: Difference[] = []
  const sum = createGrowthSum()
  let complete = true
  let characters = 0
  let place: ComparePlace | null = { base: 0, head: 0 }
  while (place !== null) {
    signal?.throwIfAborted()
    const stretch: ComparedStretch = await reader.readDifferences(baseId, headId, place)
    await nextTurn()
    totals.unchanged += stretch.unchanged
    for (const pair of stretch.differing) {
      const difference = differenceOf(pair)
      totals[difference.kind]++
      sum.addToDirectories(difference)
      characters += pathCharactersOf(pair.before) + pathCharactersOf(pair.after)
      complete &&=
        differences.length < limits.compareDifferencesMax &&
        characters <= limits.comparePathCharactersMax
      if (complete) differences.push(difference)
      else sum.addToPaths(difference)
    }
    place = stretch.next
  }
  const { merged, moves } = await matchMoves(differences, signal)
  totals.added -= moves
  totals.removed -= moves
  totals.moved += moves
  for await (const slice of pacedSlicesOf(merged, signal)) slice.forEach(sum.addToPaths)
  return { differences: merged, totals, complete, growth: sum.growth() }
}

function pathCharactersOf(side: ComparedEntry | null): number {
  if (side === null) return 0
  const { path } = side.entry
  return path.length + (side.entry.kind === 'symlink' ? side.entry.target.length : 0)
}

/** Merges a removed and an added file of the same digest into one move, pairing them in order.
 *  Empty files are not paired: they are all equal, so a pair would mean nothing. */
async function matchMoves(
  differences: Difference[],
  signal: AbortSignal | undefined,
): Promise<{ merged: Difference[]; moves: number }> {
  const removed = new Map<string, { sides: ComparedEntry[]; taken: number }>()
  for await (const slice of pacedSlicesOf(differences, signal)) {
    for (const { kind, before } of slice) {
      if (kind !== 'removed' || before.entry.kind !== 'file' || before.entry.sizeBytes === 0)
        continue
      const same = removed.get(before.entry.digest)
      if (same === undefined) removed.set(before.entry.digest, { sides: [before], taken: 0 })
      else same.sides.push(before)
    }
  }
  const moved = new Set<Difference['before']>()
  const paired: Difference[] = []
  for await (const slice of pacedSlicesOf(differences, signal)) {
    for (const difference of slice) {
      if (difference.kind !== 'added' || difference.after.entry.kind !== 'file') {
        paired.push(difference)
        continue
      }
      const same = removed.get(difference.after.entry.digest)
      const before = same?.sides[same.taken++]
      if (before !== undefined) moved.add(before)
      paired.push(
        before === undefined ? difference : { kind: 'moved', before, after: difference.after },
      )
    }
  }
  const merged: Difference[] = []
  for await (const slice of pacedSlicesOf(paired, signal)) {
    for (const difference of slice) {
      if (difference.kind !== 'removed' || !moved.has(difference.before)) merged.push(difference)
    }
  }
  return { merged, moves: moved.size }
}

/** About a millisecond of work. */
const sliceLength = 2000

/** Yields to the event loop before each slice. Errors: the abort reason of `signal`. */
async function* pacedSlicesOf(
  differences: readonly Difference[],
  signal: AbortSignal | undefined,
): AsyncGenerator<Difference[]> {
  for (const slice of slicesOf(differences, sliceLength)) {
    await nextTurn()
    signal?.throwIfAborted()
    yield slice
  }
}
