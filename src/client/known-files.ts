/** Files of DEST that are as the stat cache knows them: looked at by the threads while the tree is still on its way. */
import type { FetchedTree } from './tree-columns.ts'
import type { FilePool } from './file-pool.ts'
import pLimit from 'p-limit'
import { unverified } from './file-tasks.ts'
import { readStatCache, type StatCache, statColumns } from './stat-cache.ts'

export interface KnownFiles {
  readonly cache: StatCache
  /** Permission bits of the file that stands there in the cache. */
  mode(index: number): number
  /** Of each entry of the tree, where its file stands in the cache; `notKnown` of what is not wanted, or not as it was. */
  find(tree: FetchedTree, wanted: readonly number[]): Int32Array
}

export const notKnown = -1

/** A look takes 8 µs, a message 200. */
const filesPerTaskMax = 2048
const tasksPerThread = 8

/** Looks at the files below `root` that the cache at `cachePath` knows. */
export async function verifyKnownFiles(
  pool: FilePool,
  root: string,
  cachePath: string | null,
): Promise<KnownFiles> {
  const cache = readStatCache(cachePath)
  const modes = new Uint16Array(cache.count)
  const share = Math.ceil(cache.count / (pool.threads * tasksPerThread))
  const filesPerTask = Math.max(1, Math.min(filesPerTaskMax, share))
  const verify = async (from: number): Promise<void> => {
    const to = Math.min(from + filesPerTask, cache.count)
    // Buffers of their own, which can be handed over.
    const paths = new Uint8Array(cache.pathsOf(from, to))
    const stats = cache.stats.slice(from * statColumns, to * statColumns)
    const task = { kind: 'verify', root, paths, stats } as const
    modes.set((await pool.run(task, [paths.buffer, stats.buffer as ArrayBuffer])).modes, from)
  }
  // Buffers of a few tasks at a time.
  const limit = pLimit(2 * pool.threads + 1)
  const firsts = Array.from(
    { length: Math.ceil(cache.count / filesPerTask) },
    (_, task) => task * filesPerTask,
  )
  await limit.map(firsts, verify)
  return {
    cache,
    mode: (index) => modes[index]!,
    find: (tree, wanted) => {
      const found = new Int32Array(tree.count).fill(notKnown)
      // Both are in order of paths.
      let index = 0
      for (const ordinal of wanted) {
        if (tree.kind(ordinal) !== 'file') continue
        let order = 1
        for (; index < cache.count; index++) {
          const end = cache.pathAt(index + 1) - 1
          order = tree.comparePath(ordinal, cache.paths, cache.pathAt(index), end)
          if (order <= 0) break
        }
        if (order === 0 && modes[index] !== unverified) found[ordinal] = index
      }
      return found
    },
  }
}
