/** Collects the digests of an upload's files while the tree is walked. Files that are unchanged
 *  since the cached upload are only checked by their stats; all others are read and hashed. */
import { slicesOf } from '../../core/slices.ts'
import type { FilePool } from '../files/file-pool.ts'
import { hashColumns } from '../files/file-tasks.ts'
import { untilAborted } from '../files/until-aborted.ts'
import { createHashColumns } from './hash-columns.ts'
import { finishTree, type HashedTree } from './hashed-tree.ts'
import { checkCached, type CheckedCache } from '../cache/check-cached.ts'
import { createLineMatcher, dropChanged, notKept } from './kept-lines.ts'
import type { SourceTree } from './source-tree.ts'
import { readStatCache, type StatCache } from './stat-cache.ts'

/** Files and bytes that have been read or need not be. */
interface Hashed {
  files: number
  bytes: number
}

export interface TreeHasher {
  /** Starts on entries `from` to `to` of the tree, which follow those of the previous call. */
  add(from: number, to: number, tree: SourceTree): void
  /** Waits for all entries; the tree must be complete. Errors: FileError, the signal's. */
  finish(tree: SourceTree): Promise<HashedTree>
}

export interface HasherOptions {
  /** Null: there is no cache. */
  cachePath: string | null
  followsLinks: boolean
  signal: AbortSignal
  onProgress(hashed: Hashed): void
}

/** Small enough that a batch of large files does not keep one worker busy while the others are
 *  idle. */
const filesPerTask = 128

export async function openTreeHasher(pool: FilePool, options: HasherOptions): Promise<TreeHasher> {
  const { cachePath, followsLinks, signal } = options
  const cache = await readStatCache(cachePath)
  const match = cache === null ? () => notKept : createLineMatcher(cache)
  /** For each entry the line of the cache with its path, or `notKept`. */
  const lines: number[] = []
  const columns = createHashColumns()
  const batches: Promise<void>[] = []
  const progress: Hashed = { files: 0, bytes: 0 }
  let failure: { error: unknown } | undefined
  let checking: Promise<CheckedCache<StatCache>> | undefined
  let markWalked: () => void = () => {}
  const walked = new Promise<void>((resolve) => {
    markWalked = resolve
  })

  const read = (ordinals: readonly number[], tree: SourceTree): void => {
    for (const batch of slicesOf(ordinals, filesPerTask)) {
      const paths = batch.map((ordinal) => `${tree.sourceOf(ordinal)}\0`).join('')
      const reading = pool.run({ kind: 'hash', paths }).then(
        (answer) => {
          columns.fill(batch, answer)
          progress.files += batch.length
          for (let at = 0; at < answer.stats.length; at += hashColumns)
            progress.bytes += answer.stats[at]!
          options.onProgress(progress)
        },
        (error: unknown) => {
          failure ??= { error }
        },
      )
      batches.push(reading)
    }
  }

  return {
    add: (from, to, tree) => {
      if (checking === undefined) {
        // The walk keeps the main thread busy until then.
        const how = { throughLinks: followsLinks, isFree: walked, signal }
        checking = checkCached(pool, tree.root, cache, how)
        // A rejection is handled in `finish`.
        checking.catch(() => {})
      }
      const fresh: number[] = []
      for (let ordinal = from; ordinal < to; ordinal++) {
        const line = match(tree.paths[ordinal]!)
        lines.push(line)
        if (line === notKept && tree.kind(ordinal) === 'file') fresh.push(ordinal)
      }
      // After a failure the rest is not read; `finish` reports it.
      if (failure === undefined) read(fresh, tree)
    },
    finish: async (tree) => {
      markWalked()
      if (cache !== null && checking !== undefined) {
        const { modes } = await checking
        const { changed, kept } = dropChanged(lines, tree, cache, modes)
        progress.files += kept.files
        progress.bytes += kept.bytes
        options.onProgress(progress)
        read(changed, tree)
      }
      await untilAborted(Promise.all(batches.splice(0)), signal)
      if (failure !== undefined) throw failure.error
      return await finishTree(tree, columns, { cache, lines, cachePath })
    },
  }
}
