/** Finds which files of a cached tree are unchanged, by their stats. A download checks DEST
 *  while the tree is still being fetched; an upload checks its files while it walks the
 *  directories. */
import { setImmediate } from 'node:timers/promises'
import { type FilePool, tasksPerThread } from '../files/file-pool.ts'
import { notAsCached } from '../files/file-tasks.ts'
import { modeOf } from '../files/system.ts'
import { createUnchangedFinder } from '../files/find-unchanged.ts'
import type { TreeCache } from './tree-cache.ts'

/** Result of checking a directory against its cached tree. */
export interface CheckedCache<Cache extends TreeCache> {
  readonly cache: Cache | null
  /** Permission bits of the file of each line; `notAsCached` for one that is not as cached. */
  readonly modes: Uint16Array
  /** Permission bits of the directories on the paths to these files; symlinks in their place are
   *  left out. */
  readonly directories: ReadonlyMap<string, number>
}

/** Upper bound on files that the main thread checks in one slice. A slice adapts to about a
 *  millisecond, on a slow file system down to one file. */
const filesPerSliceMax = 128
const sliceMs = 1

/** Checks the files below `root` that the cache lists. The main thread helps once `isFree`
 *  resolves. With `throughLinks`, a file that is reached through a symlinked directory counts as
 *  unchanged too. */
export async function checkCached<Cache extends TreeCache>(
  pool: FilePool,
  root: string,
  cache: Cache | null,
  {
    throughLinks,
    isFree,
    signal,
  }: { throughLinks: boolean; isFree: Promise<unknown>; signal: AbortSignal },
): Promise<CheckedCache<Cache>> {
  const modes = new Uint16Array(new SharedArrayBuffer(2 * (cache?.count ?? 0))).fill(notAsCached)
  const directories = new Map<string, number>()
  if (cache === null) return { cache, modes, directories }
  const { text, starts, stats } = cache
  const cursor = new Int32Array(new SharedArrayBuffer(4))
  const looked = { root, text, starts, stats, throughLinks, cursor, modes }
  const inThread = async (): Promise<void> => {
    const answer = await pool.run({ kind: 'unchanged', ...looked })
    const paths = answer.directories.split('\n')
    for (const [index, mode] of answer.directoryModes.entries())
      directories.set(paths[index]!, mode)
  }
  /** The main thread would only wait, and starting another worker takes as long as checking
   *  20,000 files. */
  const here = async (): Promise<void> => {
    await isFree
    const findNext = createUnchangedFinder(looked, (path, stats) =>
      directories.set(path, modeOf(stats)),
    )
    for (let files = 16; ;) {
      const begun = performance.now()
      if (!findNext(files)) return
      if (performance.now() - begun > sliceMs) files = Math.ceil(files / 2)
      else files = Math.min(files * 2, filesPerSliceMax)
      await setImmediate()
      // Makes the workers find nothing left to do, too.
      if (signal.aborted) Atomics.store(cursor, 0, cache.count)
    }
  }
  // A worker is handed its next task while it is busy, so filling all workers takes
  // `tasksPerThread` tasks each.
  const tasks = tasksPerThread * Math.max(1, pool.threads - 1)
  await Promise.all([...Array.from({ length: tasks }, inThread), here()])
  return { cache, modes, directories }
}
