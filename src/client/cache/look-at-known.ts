/** Which of the files that a cache knows are as they were: those of DEST are looked at while the tree is still on its way, those
 *  of an upload while they are walked. */
import { setImmediate } from 'node:timers/promises'
import { type FilePool, tasksPerThread } from '../files/file-pool.ts'
import { unverified } from '../files/file-tasks.ts'
import { modeOf } from '../files/system.ts'
import { createVerifier } from '../files/verify-files.ts'
import type { TreeCache } from './tree-cache.ts'

/** What a look at what a directory was known to have has shown. */
export interface LookedAt<Cache extends TreeCache> {
  readonly cache: Cache | null
  /** Permission bits of the file of each line; `unverified` of one that is not as it was known. */
  readonly modes: Uint16Array
  /** Permission bits of the directories on the way to these files; not of links in their place. */
  readonly directories: ReadonlyMap<string, number>
}

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
    const verifyNext = createVerifier(task, (path, stats) => directories.set(path, modeOf(stats)))
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
