/** What differs between two manifests: a merge of two sorted lists, then moves are matched among what was added and
 *  removed. No file is read; memory is bounded by `limits.compareDifferencesMax`. */
import type { Entry } from '../core/entry.ts'
import { limits } from '../core/limits.ts'
import type {
  ComparedEntry as Side,
  ComparedStretch,
  ComparePlace,
  EntryPair,
  Metadata,
} from '../metadata/metadata.ts'

export type Difference =
  | { kind: 'added'; before: null; after: Side }
  | { kind: 'removed'; before: Side; after: null }
  /** `changed`: other content, kind or link target. `mode`: only permission bits. `moved`: another path. */
  | { kind: 'changed' | 'mode' | 'moved'; before: Side; after: Side }

export interface Comparison {
  /** In order of the path in head, or in base where head has none. */
  differences: Difference[]
  /** Counts of all differences, listed or not. */
  totals: Record<Difference['kind'] | 'unchanged', number>
  /** False when differences past the bound are counted but not listed; moves are then matched among those listed. */
  complete: boolean
}

export async function compareEntries(
  reader: Pick<Metadata, 'readDifferences'>,
  baseId: number,
  headId: number,
  signal?: AbortSignal,
): Promise<Comparison> {
  const totals = { added: 0, removed: 0, changed: 0, moved: 0, mode: 0, unchanged: 0 }
  const differences: Difference[] = []
  let complete = true
  let place: ComparePlace | null = { base: 0, head: 0 }
  while (place !== null) {
    signal?.throwIfAborted()
    const stretch: ComparedStretch = await reader.readDifferences(baseId, headId, place)
    totals.unchanged += stretch.unchanged
    for (const pair of stretch.differing) {
      const difference = differenceOf(pair)
      totals[difference.kind]++
      if (differences.length < limits.compareDifferencesMax) differences.push(difference)
      else complete = false
    }
    place = stretch.next
  }
  const { merged, moves } = matchMoves(differences)
  totals.added -= moves
  totals.removed -= moves
  totals.moved += moves
  return { differences: merged, totals, complete }
}

function differenceOf({ before, after }: EntryPair): Difference {
  if (before === null) return { kind: 'added', before, after }
  if (after === null) return { kind: 'removed', before, after }
  const isModeOnly = contentOf(before.entry) === contentOf(after.entry)
  return { kind: isModeOnly ? 'mode' : 'changed', before, after }
}

/** Equal for two entries exactly when they hold the same thing, whatever their paths and modes. */
function contentOf(entry: Entry): string {
  if (entry.kind === 'file') return `file ${entry.digest}`
  return entry.kind === 'symlink' ? `symlink ${entry.target}` : 'directory'
}

/** Turns a removed file and an added one of the same digest into one move; the first removed goes to the first added.
 *  Empty files are left alone: they are all alike, and pairing them says nothing. */
function matchMoves(differences: Difference[]): { merged: Difference[]; moves: number } {
  // Lists from back to front, as their ends are taken: from the front of a long one that takes time by its length.
  const removed = new Map<string, Side[]>()
  for (const { kind, before } of differences.toReversed()) {
    if (kind !== 'removed' || before.entry.kind !== 'file' || before.entry.sizeBytes === 0) continue
    const same = removed.get(before.entry.digest)
    if (same === undefined) removed.set(before.entry.digest, [before])
    else same.push(before)
  }
  const moved = new Set<Side>()
  const withMoves = differences.map((difference): Difference => {
    if (difference.kind !== 'added' || difference.after.entry.kind !== 'file') return difference
    const before = removed.get(difference.after.entry.digest)?.pop()
    if (before === undefined) return difference
    moved.add(before)
    return { kind: 'moved', before, after: difference.after }
  })
  const merged = withMoves.filter(({ kind, before }) => kind !== 'removed' || !moved.has(before))
  return { merged, moves: moved.size }
}
