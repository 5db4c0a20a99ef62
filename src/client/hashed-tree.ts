/** An upload's tree with everything known of it: walked, hashed, summed. Files are hashed while the walk goes on. */
import { createDigestHasher, type Digest, digestFromBytes } from '../core/digest.ts'
import { type Entry, type EntryPath, symlinkMode } from '../core/entry.ts'
import { limits } from '../core/limits.ts'
import { createManifestHasher, type ManifestSummary } from '../core/manifest.ts'
import { encodeTimes } from '../core/modification-times.ts'
import type { FilePool } from './file-pool.ts'
import { type HashAnswer, hashColumns, type HashTask } from './file-tasks.ts'
import type { SourceTree } from './source-tree.ts'
import { createStatCacheWriter } from './stat-cache-writer.ts'
import {
  digestBytes,
  knownColumns,
  readStatCache,
  type StatCache,
  statColumns,
} from './stat-cache.ts'

export interface HashedTree {
  readonly source: SourceTree
  readonly summary: ManifestSummary
  entry(ordinal: number): Entry
  digest(ordinal: number): Digest
  /** The digest as bytes, which must not be changed. */
  digestBytes(ordinal: number): Buffer
  sizeBytes(ordinal: number): number
  /** Encoded modification times, a page each, and the digest over all pages. */
  readonly timesPages: readonly Buffer[]
  readonly timesDigest: Digest
  /** Remembers what was hashed for the next time. A cache that cannot be written is no failure of the upload. */
  saveStatCache(): Promise<void>
}

export interface HashProgress {
  files: number
  bytes: number
}

export interface TreeHasher {
  /** Begins hashing entries `from` to `to` of the tree. */
  add(from: number, to: number, tree: SourceTree): void
  /** Waits for all. Errors: FileError. */
  finish(tree: SourceTree): Promise<HashedTree>
}

/** Hashes files in batches as they are announced. `cachePath` null: nothing is remembered. */
export async function openTreeHasher(
  pool: FilePool,
  options: { cachePath: string | null; onProgress(progress: HashProgress): void },
): Promise<TreeHasher> {
  let lookUp = createLookUp(await readStatCache(options.cachePath))
  const columns = createColumns()
  const batches: Promise<void>[] = []
  const progress: HashProgress = { files: 0, bytes: 0 }
  let failure: { error: unknown } | undefined

  const run = (ordinals: number[], tree: SourceTree): void => {
    const task: HashTask = {
      kind: 'hash',
      paths: ordinals.map((ordinal) => `${tree.sourceOf(ordinal)}\0`).join(''),
      known: lookUp(ordinals.map((ordinal) => tree.paths[ordinal]!)),
    }
    const batch = pool.run(task).then(
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

  return {
    add: (from, to, tree) => {
      // What failed already is told by `finish`, sooner than by reading the rest.
      if (failure !== undefined) return
      let ordinals: number[] = []
      for (let ordinal = from; ordinal < to; ordinal++) {
        if (tree.kind(ordinal) !== 'file') continue
        ordinals.push(ordinal)
        if (ordinals.length < filesPerTask) continue
        run(ordinals, tree)
        ordinals = []
      }
      if (ordinals.length > 0) run(ordinals, tree)
    },
    finish: async (tree) => {
      // What was known before is of no more use, and large.
      lookUp = () => null
      await Promise.all(batches.splice(0))
      if (failure !== undefined) throw failure.error
      columns.reserve(tree.count)
      return finishTree(tree, columns, options.cachePath)
    },
  }
}

/** Answers a function that says what is known of files, asked for in ascending order. */
function createLookUp(cache: StatCache): (paths: readonly string[]) => HashTask['known'] {
  if (cache.count === 0) return () => null
  const find = cache.cursor()
  return (paths) => knownColumns(cache, paths.map(find))
}

/** Small enough that a batch of large files does not keep one thread busy while the others are idle. */
const filesPerTask = 128

/** Grows as answers come; `stats`, `digests` and `settled` may be others after each call. */
interface Columns {
  readonly stats: Float64Array
  readonly digests: Buffer
  readonly settled: Uint8Array
  /** Makes room for `count` entries. */
  reserve(count: number): void
  fill(ordinals: readonly number[], answer: HashAnswer): void
}

function createColumns(): Columns {
  let room = 1024
  let stats = new Float64Array(room * hashColumns)
  let digests = Buffer.alloc(room * digestBytes)
  let settled = new Uint8Array(room)
  const reserve = (count: number): void => {
    if (count <= room) return
    room = Math.max(count, Math.ceil(room * 1.5))
    const [oldStats, oldDigests, oldSettled] = [stats, digests, settled]
    stats = new Float64Array(room * hashColumns)
    stats.set(oldStats)
    digests = Buffer.alloc(room * digestBytes)
    digests.set(oldDigests)
    settled = new Uint8Array(room)
    settled.set(oldSettled)
  }
  return {
    get stats() {
      return stats
    },
    get digests() {
      return digests
    },
    get settled() {
      return settled
    },
    reserve,
    fill: (ordinals, answer) => {
      // Ascending, so the last is the highest.
      reserve((ordinals.at(-1) ?? 0) + 1)
      for (const [index, ordinal] of ordinals.entries()) {
        stats.set(
          answer.stats.subarray(index * hashColumns, (index + 1) * hashColumns),
          ordinal * hashColumns,
        )
        digests.set(
          answer.digests.subarray(index * digestBytes, (index + 1) * digestBytes),
          ordinal * digestBytes,
        )
        settled[ordinal] = answer.settled[index]!
      }
    },
  }
}

function finishTree(tree: SourceTree, columns: Columns, cachePath: string | null): HashedTree {
  const { stats, digests, settled } = columns
  const digestOf = (ordinal: number): Buffer =>
    digests.subarray(ordinal * digestBytes, (ordinal + 1) * digestBytes)
  const digest = (ordinal: number): Digest => digestFromBytes(digestOf(ordinal))
  const sizeBytes = (ordinal: number): number => stats[ordinal * hashColumns]!
  const entry = (ordinal: number): Entry => {
    const path = tree.paths[ordinal] as EntryPath
    switch (tree.kind(ordinal)) {
      case 'file':
        return {
          kind: 'file',
          path,
          mode: stats[ordinal * hashColumns + 4]!,
          digest: digest(ordinal),
          sizeBytes: sizeBytes(ordinal),
        }
      case 'directory':
        return { kind: 'directory', path, mode: tree.directoryMode(ordinal) }
      case 'symlink':
        return { kind: 'symlink', path, mode: symlinkMode, target: tree.linkTarget(ordinal) }
    }
  }
  const modifiedAt = (ordinal: number): number =>
    tree.kind(ordinal) === 'file'
      ? Math.floor(stats[ordinal * hashColumns + 1]! / 1000)
      : tree.modifiedAt(ordinal)
  const manifest = createManifestHasher()
  for (let ordinal = 0; ordinal < tree.count; ordinal++) manifest.add(entry(ordinal))
  const timesPages = encodeTimesPages(tree.count, modifiedAt)
  const hasher = createDigestHasher()
  for (const page of timesPages) hasher.update(page)
  return {
    source: tree,
    summary: manifest.summary(),
    entry,
    digest,
    digestBytes: digestOf,
    sizeBytes,
    timesPages,
    timesDigest: hasher.digest(),
    saveStatCache: async () => {
      if (cachePath === null) return
      const writer = createStatCacheWriter(cachePath, tree.count)
      for (let ordinal = 0; ordinal < tree.count; ordinal++) {
        if (settled[ordinal] !== 1) continue
        const own = stats.subarray(ordinal * hashColumns, ordinal * hashColumns + statColumns)
        writer.add(tree.paths[ordinal]!, own, digestOf(ordinal))
      }
      await writer.save()
    },
  }
}

function encodeTimesPages(count: number, modifiedAt: (ordinal: number) => number): Buffer[] {
  const pages: Buffer[] = []
  for (let first = 0; first < count; first += limits.manifestPageEntries) {
    const size = Math.min(limits.manifestPageEntries, count - first)
    pages.push(encodeTimes(Array.from({ length: size }, (_, index) => modifiedAt(first + index))))
  }
  return pages
}
