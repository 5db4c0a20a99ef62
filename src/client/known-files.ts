/** Files of DEST that are as the stat cache knows them: looked at by the threads while the tree is still on its way. */
import type { FilePool } from './file-pool.ts'
import { unverified } from './file-tasks.ts'
import { readStatCache } from './stat-cache.ts'

export interface KnownFile {
  /** Those of the stat cache. */
  stats: Float64Array
  digest: Uint8Array
  /** Permission bits. */
  mode: number
}

export interface KnownFiles {
  readonly count: number
  /** Answers what is known of files that are asked for in ascending order of their paths. */
  cursor(): (path: string) => KnownFile | undefined
}

const filesPerTask = 512

/** Looks at the files below `root` that the cache knows. `cachePath` null: none are. */
export async function verifyKnownFiles(
  pool: FilePool,
  root: string,
  cachePath: string | null,
): Promise<KnownFiles> {
  if (cachePath === null) return { count: 0, cursor: () => () => undefined }
  const cache = readStatCache(cachePath)
  const modes = new Uint16Array(cache.count)
  const tasks = Array.from(cache.slices(filesPerTask), async ({ first, paths, stats }) => {
    const task = { kind: 'verify', root, paths, stats } as const
    const buffers = [paths.buffer as ArrayBuffer, stats.buffer as ArrayBuffer]
    modes.set((await pool.run(task, buffers)).modes, first)
  })
  await Promise.all(tasks)
  return {
    count: modes.reduce((count, mode) => (mode === unverified ? count : count + 1), 0),
    cursor: () => {
      const find = cache.cursor()
      return (path) => {
        const known = find(path)
        const mode = known === undefined ? unverified : modes[known.index]!
        if (known === undefined || mode === unverified) return undefined
        return { stats: known.stats, digest: known.digest, mode }
      }
    },
  }
}
