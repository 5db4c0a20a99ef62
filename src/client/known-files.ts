/** Files that are as they were known: those of DEST, looked at while the tree is still on its way, and those of an upload,
 *  while they are walked. */
import { setImmediate } from 'node:timers/promises'
import { comparePaths } from '../core/entry.ts'
import { readFileLine } from '../core/manifest-text.ts'
import type { DestinationCache } from './destination-cache.ts'
import type { KnownLines } from './fetched-tree.ts'
import { type FilePool, tasksPerThread } from './file-pool.ts'
import { unverified } from './file-tasks.ts'
import type { TreeCache } from './tree-cache.ts'
import { createTreeColumns, type FetchedTree } from './tree-columns.ts'
import { createVerifier } from './verify-files.ts'

/** What a look at what a directory was known to have has shown. */
export interface LookedAt<Cache extends TreeCache = DestinationCache> {
  readonly cache: Cache | null
  /** Permission bits of the file of each line; `unverified` of one that is not as it was known. */
  readonly modes: Uint16Array
  /** Permission bits of the directories on the way to these files; not of links in their place. */
  readonly directories: ReadonlyMap<string, number>
}

/** Of each entry of a tree, what is known of the file in its place. */
export interface KnownFiles {
  /** The line of the cache; `notKnown` of what is no file, or not as it was. */
  readonly lines: Int32Array
  /** 1 for a file that is known with the content that the entry has. */
  readonly isSame: Uint8Array
}

export const notKnown = -1

/** Looks that the main thread does at once: as many as take about a millisecond, on a slow file system one. */
const filesPerSliceMax = 128
const sliceMs = 1

/** Looks at the files below `root` that the cache knows. This thread helps once `isFree` resolves. `throughLinks`: a file
 *  counts that is seen through a link. */
export async function lookAtKnown<Cache extends TreeCache>(
  pool: FilePool,
  root: string,
  cache: Cache | null,
  {
    throughLinks,
    isFree,
    signal,
  }: { throughLinks: boolean; isFree: Promise<unknown>; signal: AbortSignal },
): Promise<LookedAt<Cache>> {
  const modes = new Uint16Array(new SharedArrayBuffer(2 * (cache?.count ?? 0))).fill(unverified)
  const directories = new Map<string, number>()
  if (cache === null) return { cache, modes, directories }
  const { text, starts, stats } = cache
  const cursor = new Int32Array(new SharedArrayBuffer(4))
  const task = { kind: 'verify', root, text, starts, stats, throughLinks, cursor, modes } as const
  const inThread = async (): Promise<void> => {
    const answer = await pool.run(task)
    const paths = answer.directories.split('\n')
    for (const [index, mode] of answer.directoryModes.entries())
      directories.set(paths[index]!, mode)
  }
  /** This thread would only wait, and beginning one more takes as long as 20,000 looks. */
  const here = async (): Promise<void> => {
    await isFree
    const verifyNext = createVerifier(task, (path, { mode }) => directories.set(path, mode & 0o777))
    for (let files = 16; ;) {
      const begun = performance.now()
      if (!verifyNext(files)) return
      if (performance.now() - begun > sliceMs) files = Math.ceil(files / 2)
      else files = Math.min(files * 2, filesPerSliceMax)
      await setImmediate()
      // The threads find nothing left either.
      if (signal.aborted) Atomics.store(cursor, 0, cache.count)
    }
  }
  // A thread gets its next task while it is at work, so all begin only when there is one more for each.
  const tasks = tasksPerThread * Math.max(1, pool.threads - 1)
  await Promise.all([...Array.from({ length: tasks }, inThread), here()])
  return { cache, modes, directories }
}

/** `known`: null where the tree was fetched whole, and its paths must be compared. */
export function findKnown(
  { cache, modes }: LookedAt,
  tree: FetchedTree,
  known: readonly KnownLines[] | null,
): KnownFiles {
  const lines = new Int32Array(tree.count).fill(notKnown)
  const isSame = new Uint8Array(tree.count)
  if (cache === null) return { lines, isSame }
  for (const { ordinal, line, count, areSame } of known ?? compareTrees(tree, cache)) {
    for (let index = 0; index < count; index++) {
      if (modes[line + index] === unverified) continue
      lines[ordinal + index] = line + index
      isSame[ordinal + index] = areSame || hasSameContent(tree, ordinal, cache, line) ? 1 : 0
    }
  }
  return { lines, isSame }
}

/** Of two single entries, both files. */
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
