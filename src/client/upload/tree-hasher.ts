/** Learns everything of an upload's tree while it is walked. Files that are as they were known are only looked at, all others
 *  read and hashed. */
import type { FilePool } from '../files/file-pool.ts'
import { hashColumns } from '../files/file-tasks.ts'
import { untilAborted } from '../files/until-aborted.ts'
import { createHashColumns } from './hash-columns.ts'
import { type HashedTree, finishTree } from './hashed-tree.ts'
import { lookAtKnown, type LookedAt } from '../cache/look-at-known.ts'
import { createLineMatcher, dropChanged, notKept } from './kept-lines.ts'
import type { SourceTree } from './source-tree.ts'
import { readStatCache, type StatCache } from './stat-cache.ts'

/** What has been read, or need not be. */
interface Hashed {
  files: number
  bytes: number
}

export interface TreeHasher {
  /** Begins with entries `from` to `to` of the tree, which follow those of the call before. */
  add(from: number, to: number, tree: SourceTree): void
  /** Waits for all; the tree is whole. Errors: FileError, the signal's. */
  finish(tree: SourceTree): Promise<HashedTree>
}

export interface HasherOptions {
  /** Null: nothing is remembered. */
  cachePath: string | null
  followsLinks: boolean
  signal: AbortSignal
  onProgress(hashed: Hashed): void
}

/** Small enough that a batch of large files does not keep one thread busy while the others are idle. */
const filesPerTask = 128

export async function openTreeHasher(pool: FilePool, options: HasherOptions): Promise<TreeHasher> {
  const { cachePath, followsLinks, signal } = options
  const cache = await readStatCache(cachePath)
  const match = cache === null ? () => notKept : createLineMatcher(cache)
  /** Of each entry, the line of the cache that has its path. */
  const lines: number[] = []
  const columns = createHashColumns()
  const batches: Promise<void>[] = []
  const progress: Hashed = { files: 0, bytes: 0 }
  let failure: { error: unknown } | undefined
  let looking: Promise<LookedAt<StatCache>> | undefined
  let tellWalked: () => void = () => {}
  const walked = new Promise<void>((resolve) => {
    tellWalked = resolve
  })

  const look = (tree: SourceTree): Promise<LookedAt<StatCache>> => {
    // The walk keeps this thread busy until then.
    const how = { throughLinks: followsLinks, isFree: walked, signal }
    const looked = lookAtKnown(pool, tree.root, cache, how)
    // Met in `finish`.
    looked.catch(() => {})
    return looked
  }

  const run = (ordinals: number[], tree: SourceTree): void => {
    const paths = ordinals.map((ordinal) => `${tree.sourceOf(ordinal)}\0`).join('')
    const batch = pool.run({ kind: 'hash', paths }).then(
      (answer) => {
        columns.fill(ordinals, answer)
        progress.files += ordinals.length
        for (let at = 0; at < answer.stats.length; at += hashColumns)
          progress.bytes += answer.stats[at]!
        options.onProgress(progress)
      },
      (error: unknown) => {
        failure ??= { error }
      },
    )
    batches.push(batch)
  }

  /** Hashes those files from `from` to `to` whose line is not known. */
  const hash = (from: number, to: number, tree: SourceTree): void => {
    let ordinals: number[] = []
    for (let ordinal = from; ordinal < to; ordinal++) {
      if (lines[ordinal] !== notKept || tree.kind(ordinal) !== 'file') continue
      ordinals.push(ordinal)
      if (ordinals.length < filesPerTask) continue
      run(ordinals, tree)
      ordinals = []
    }
    if (ordinals.length > 0) run(ordinals, tree)
  }

  return {
    add: (from, to, tree) => {
      looking ??= look(tree)
      for (let ordinal = from; ordinal < to; ordinal++) lines.push(match(tree.paths[ordinal]!))
      // What failed already is told by `finish`, sooner than by reading the rest.
      if (failure === undefined) hash(from, to, tree)
    },
    finish: async (tree) => {
      tellWalked()
      if (cache !== null && looking !== undefined) {
        const { modes } = await looking
        const { changed, kept } = dropChanged(lines, tree, cache, modes)
        progress.files += kept.files
        progress.bytes += kept.bytes
        options.onProgress(progress)
        for (let at = 0; at < changed.length; at += filesPerTask)
          run(changed.slice(at, at + filesPerTask), tree)
      }
      await untilAborted(Promise.all(batches.splice(0)), signal)
      if (failure !== undefined) throw failure.error
      columns.reserve(tree.count)
      return await finishTree(tree, columns, { cache, lines, cachePath })
    },
  }
}
