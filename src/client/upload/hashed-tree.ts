/** The tree of an upload after the walk: its digests, its totals and its canonical text. Lines
 *  of unchanged entries are taken from the cache as they are; entries are only built for the
 *  others. */
import { setImmediate } from 'node:timers/promises'
import {
  createDigestHasher,
  type Digest,
  digestBytes,
  digestFromBytes,
} from '../../core/bytes/digest.ts'
import type { Entry, EntryPath } from '../../core/manifest/entry.ts'
import { formatEntry, manifestHeader, type ManifestSummary } from '../../core/manifest/manifest.ts'
import { pathStart } from '../../core/manifest/manifest-changes.ts'
import { manifestPages } from '../../core/manifest/manifest-pages.ts'
import { encodeTimes } from '../../core/manifest/modification-times.ts'
import { hashColumns } from '../files/file-tasks.ts'
import type { HashColumns } from './hash-columns.ts'
import { type LineRun, notKept, runsOf } from './kept-lines.ts'
import { changesOf, type SourceChanges } from './source-changes.ts'
import { otherEntry, type SourceTree } from './source-tree.ts'
import { rememberSource, type StatCache } from './stat-cache.ts'
import { statColumns } from '../files/stat-columns.ts'

export interface HashedTree {
  readonly source: SourceTree
  readonly summary: ManifestSummary
  digest(ordinal: number): Digest
  /** The digest as bytes; the caller must not modify them. */
  digestBytes(ordinal: number): Buffer
  sizeBytes(ordinal: number): number
  /** Whether a file's stats still match those from when it was hashed. `stats`: size, mtime ms,
   *  ctime ms, inode. */
  looksAsHashed(ordinal: number, stats: Float64Array): boolean
  /** Canonical text (core/manifest/manifest.ts) without its first line, in pieces. */
  text(): Iterable<Buffer>
  /** The changes from the cached tree to this one; null when there is no cached tree or little
   *  of it is unchanged. */
  changes(): SourceChanges | null
  /** Encoded modification times, one buffer per page, and the digest over all pages. */
  readonly timesPages: readonly Buffer[]
  readonly timesDigest: Digest
  /** Saves the tree for the next upload. With `committing`, only after that resolves, and not at
   *  all if it rejects. Never fails: an unwritable cache does not fail the upload. */
  saveStatCache(committing?: Promise<unknown>): Promise<void>
}

/** The cached tree, and for each entry the line of it that is still valid, or `notKept`. */
export interface Remembered {
  cache: StatCache | null
  lines: readonly number[]
  /** Where the tree is to be cached; null: nowhere. */
  cachePath: string | null
}

/** Facts about files, whether hashed now or taken from the cache. */
type Facts = Pick<HashedTree, 'digest' | 'digestBytes' | 'sizeBytes' | 'looksAsHashed'> & {
  /** Milliseconds. */
  modifiedAt(ordinal: number): number
}

/** How long one step of a pass over all entries may block the event loop. */
const turnMs = 5

export async function finishTree(
  tree: SourceTree,
  columns: HashColumns,
  { cache, lines, cachePath }: Remembered,
): Promise<HashedTree> {
  const facts = createFacts(tree, columns, { cache, lines })
  const runs = runsOf(lines)
  const entry = (ordinal: number): Entry =>
    tree.kind(ordinal) === 'file'
      ? {
          kind: 'file',
          path: tree.paths[ordinal] as EntryPath,
          mode: columns.stats[ordinal * hashColumns + 4]!,
          digest: facts.digest(ordinal),
          sizeBytes: facts.sizeBytes(ordinal),
        }
      : otherEntry(tree, ordinal)
  const text = (): Iterable<Buffer> => textOf(runs, cache, entry)
  const summary = await summarize(tree, facts, text)
  const timesPages = encodeTimesPages(tree, facts)
  const hasher = createDigestHasher()
  for (const page of timesPages) hasher.update(page)
  const isAsRemembered =
    cache !== null && runs.length <= 1 && cache.count === tree.count && runs[0]?.line !== notKept
  return {
    source: tree,
    summary,
    ...facts,
    text,
    changes: () => (cache === null ? null : changesOf(runs, cache, entry)),
    timesPages,
    timesDigest: hasher.digest(),
    saveStatCache: async (committing) => {
      if (cachePath === null || isAsRemembered) return
      const { count } = tree
      const { treeDigest } = summary
      const lineStarts = (): Uint32Array => lineStartsOf(runs, cache, entry)
      const stats = statsOf(runs, cache, columns, count)
      const remembered = { count, treeDigest, text: text(), lineStarts }
      await rememberSource(cachePath, remembered, stats, committing)
    },
  }
}

function createFacts(
  tree: SourceTree,
  { stats, digests }: HashColumns,
  { cache, lines }: Pick<Remembered, 'cache' | 'lines'>,
): Facts {
  const keptDigest = (line: number): Digest => {
    const { text, starts } = cache!
    const pathAt = pathStart(text, starts[line]!, starts[line + 1]! - 1)
    return text.toString('latin1', pathAt - 65, pathAt - 1) as Digest
  }
  const own = (ordinal: number): Buffer =>
    digests.subarray(ordinal * digestBytes, (ordinal + 1) * digestBytes)
  const column = (ordinal: number, index: number): number => {
    const line = lines[ordinal]!
    return line === notKept
      ? stats[ordinal * hashColumns + index]!
      : cache!.stats[line * statColumns + index]!
  }
  return {
    digest: (ordinal) => {
      const line = lines[ordinal]!
      return line === notKept ? digestFromBytes(own(ordinal)) : keptDigest(line)
    },
    digestBytes: (ordinal) => {
      const line = lines[ordinal]!
      return line === notKept ? own(ordinal) : Buffer.from(keptDigest(line), 'hex')
    },
    sizeBytes: (ordinal) => column(ordinal, 0),
    looksAsHashed: (ordinal, seen) =>
      seen.every((value, index) => value === column(ordinal, index)),
    modifiedAt: (ordinal) =>
      tree.kind(ordinal) === 'file' ? column(ordinal, 1) : tree.modifiedAt(ordinal) * 1000,
  }
}

/** Piece size for unchanged lines. */
const keptPieceBytes = 256 * 1024
const pieceChars = 64 * 1024

function* textOf(
  runs: readonly LineRun[],
  cache: StatCache | null,
  entry: (ordinal: number) => Entry,
): Generator<Buffer> {
  for (const { ordinal, count, line } of runs) {
    if (line === notKept) {
      let text = ''
      for (let at = ordinal; at < ordinal + count; at++) {
        text += formatEntry(entry(at))
        if (text.length < pieceChars) continue
        yield Buffer.from(text)
        text = ''
      }
      if (text !== '') yield Buffer.from(text)
    } else {
      const { text, starts } = cache!
      const end = starts[line + count]!
      for (let at = starts[line]!; at < end; at += keptPieceBytes)
        yield text.subarray(at, Math.min(end, at + keptPieceBytes))
    }
  }
}

async function summarize(
  tree: SourceTree,
  { sizeBytes }: Facts,
  text: () => Iterable<Buffer>,
): Promise<ManifestSummary> {
  const hasher = createDigestHasher()
  hasher.update(Buffer.from(manifestHeader))
  let begun = performance.now()
  for (const piece of text()) {
    hasher.update(piece)
    if (performance.now() - begun < turnMs) continue
    await setImmediate()
    begun = performance.now()
  }
  let fileCount = 0
  let logicalBytes = 0
  for (let ordinal = 0; ordinal < tree.count; ordinal++) {
    if (tree.kind(ordinal) !== 'file') continue
    fileCount += 1
    logicalBytes += sizeBytes(ordinal)
  }
  return { treeDigest: hasher.digest(), entryCount: tree.count, fileCount, logicalBytes }
}

/** Where each line begins in the text, and where the last one ends. */
function lineStartsOf(
  runs: readonly LineRun[],
  cache: StatCache | null,
  entry: (ordinal: number) => Entry,
): Uint32Array {
  const count = runs.reduce((sum, run) => sum + run.count, 0)
  const starts = new Uint32Array(count + 1)
  let at = 0
  for (const run of runs) {
    for (let index = 0; index < run.count; index++) {
      const ordinal = run.ordinal + index
      starts[ordinal] = at
      at +=
        run.line === notKept
          ? Buffer.byteLength(formatEntry(entry(ordinal)))
          : cache!.starts[run.line + index + 1]! - cache!.starts[run.line + index]!
    }
  }
  starts[count] = at
  return starts
}

/** Stats to cache for each entry: NaN for one that is no file, or that may have changed since it
 *  was examined. */
function statsOf(
  runs: readonly LineRun[],
  cache: StatCache | null,
  { stats, settled }: HashColumns,
  count: number,
): Float64Array {
  const all = new Float64Array(count * statColumns).fill(Number.NaN)
  for (const run of runs) {
    const at = run.ordinal * statColumns
    if (run.line !== notKept) {
      const { line } = run
      all.set(cache!.stats.subarray(line * statColumns, (line + run.count) * statColumns), at)
      continue
    }
    for (let ordinal = run.ordinal; ordinal < run.ordinal + run.count; ordinal++) {
      if (settled[ordinal] !== 1) continue
      const own = stats.subarray(ordinal * hashColumns, ordinal * hashColumns + statColumns)
      all.set(own, ordinal * statColumns)
    }
  }
  return all
}

function encodeTimesPages({ count }: SourceTree, { modifiedAt }: Facts): Buffer[] {
  const pages: Buffer[] = []
  for (const { first, count: length } of manifestPages(count)) {
    const seconds = (index: number): number => Math.floor(modifiedAt(first + index) / 1000)
    pages.push(encodeTimes(Array.from({ length }, (_, index) => seconds(index))))
  }
  return pages
}
