/** Finds the files of DEST that are unchanged since they were cached. */
import { comparePaths } from '../../core/manifest/entry.ts'
import { readFileLine, skimFileLine } from '../../core/manifest/manifest-text.ts'
import type { DestinationCache } from './destination-cache.ts'
import type { KnownLines } from './fetched-tree.ts'
import { notAsCached } from '../files/file-tasks.ts'
import type { CheckedCache } from '../cache/check-cached.ts'
import { createTreeColumns, type FetchedTree } from './tree-columns.ts'

/** For each entry of a tree, what the cache knows of the file at its path. */
export interface KnownFiles {
  /** The line of the cache; `notKnown` for an entry that is no file or has changed. */
  readonly lines: Int32Array
  /** 1 for a cached file that has the content of the entry. */
  readonly isSame: Uint8Array
}

export const notKnown = -1

/** The same files as entries of the artifact that DEST was last brought to. */
export interface EarlierFiles {
  artifactId: number
  /** Indexed by entries of the tree; `notKnown` as above. */
  ordinals: Int32Array
  sizeBytes(ordinal: number): number
}

/** Null when it is not known what `url` has. */
export function earlierFiles(
  { cache }: CheckedCache<DestinationCache>,
  { lines }: KnownFiles,
  url: string,
): EarlierFiles | null {
  if (cache?.url !== url) return null
  const { artifactId, text, starts } = cache
  return {
    artifactId,
    // Each line of the cache is an entry of that artifact.
    ordinals: lines,
    sizeBytes: (ordinal) => skimFileLine(text, starts[ordinal]!).sizeBytes,
  }
}

/** `known`: null when the whole tree was fetched, so that paths must be compared. */
export function findKnown(
  { cache, modes }: CheckedCache<DestinationCache>,
  tree: FetchedTree,
  known: readonly KnownLines[] | null,
): KnownFiles {
  const lines = new Int32Array(tree.count).fill(notKnown)
  const isSame = new Uint8Array(tree.count)
  if (cache === null) return { lines, isSame }
  for (const { ordinal, line, count, areSame } of known ?? compareTrees(tree, cache)) {
    for (let index = 0; index < count; index++) {
      if (modes[line + index] === notAsCached) continue
      lines[ordinal + index] = line + index
      isSame[ordinal + index] = areSame || hasSameContent(tree, ordinal, cache, line) ? 1 : 0
    }
  }
  return { lines, isSame }
}

/** Compares two single entries of which the older is a file. */
function hasSameContent(
  tree: FetchedTree,
  ordinal: number,
  { text, starts }: DestinationCache,
  line: number,
): boolean {
  const { pathAt } = readFileLine(text, starts[line]!, starts[line + 1]! - 1)
  return (
    tree.kind(ordinal) === 'file' &&
    tree.digest(ordinal) === text.toString('latin1', pathAt - 65, pathAt - 1)
  )
}

function* compareTrees(tree: FetchedTree, cache: DestinationCache): Iterable<KnownLines> {
  const older = createTreeColumns()
  older.addLines(cache.text)
  for (let line = 0, ordinal = 0; line < older.count && ordinal < tree.count;) {
    const order = comparePaths(older.path(line), tree.path(ordinal))
    if (order === 0) yield { ordinal, line, count: 1, areSame: false }
    if (order <= 0) line += 1
    if (order >= 0) ordinal += 1
  }
}
