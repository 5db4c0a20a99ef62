/** What a download knows about the files it wants: which are present with their content, and
 *  which stats may be cached. */
import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import type { Downloading, Findings } from './downloading.ts'
import type { FetchedTree } from './tree-columns.ts'
import { hashColumns } from '../files/file-tasks.ts'
import type { CheckedCache } from '../cache/check-cached.ts'
import type { DestinationCache } from './destination-cache.ts'
import { notKnown, type KnownFiles } from './known-files.ts'
import { isSettledAsMade } from '../files/racy.ts'
import { becameAnother } from '../files/file-error.ts'
import { parentOf } from '../../core/manifest/entry.ts'
import { createRealDirectories } from '../files/real-directories.ts'
import { isMode, setMode } from '../files/system.ts'
import { hashPresent } from './hash-present.ts'
import { digestBytes } from '../../core/bytes/digest.ts'
import { columnsOf, statColumns } from '../files/stat-columns.ts'

export function createFindings(count: number): Findings {
  return {
    stats: new Float64Array(count * statColumns).fill(Number.NaN),
    modes: new Uint16Array(count),
    settled: new Uint8Array(count),
  }
}

/** Wanted entries, sorted by what is known of them; each list is in order. */
export interface SortedEntries {
  /** Files not covered by the cache. */
  unknown: number[]
  /** Files in whose place the cache has another content. */
  changed: number[]
  /** Files cached with the right content but another mode. */
  inOtherMode: number[]
  /** Directories and symlinks. */
  others: number[]
}

/** Records files that are cached with their content, and sorts the rest. A single loop with a
 *  small body: loops are compiled separately, and an uncompiled one takes ten times as long. */
export function sortEntries(
  { tree, wanted, findings, progress }: Omit<Downloading, 'destination'>,
  { cache, modes }: CheckedCache<DestinationCache>,
  { lines, isSame }: KnownFiles,
): SortedEntries {
  const sorted: SortedEntries = { unknown: [], changed: [], inOtherMode: [], others: [] }
  for (const ordinal of wanted) {
    if (tree.kind(ordinal) !== 'file') {
      sorted.others.push(ordinal)
      continue
    }
    progress.files += 1
    progress.totalBytes += tree.sizeBytes(ordinal)
    const line = lines[ordinal]!
    if (line === notKnown || cache === null) {
      sorted.unknown.push(ordinal)
    } else if (isSame[ordinal] !== 1) {
      sorted.changed.push(ordinal)
    } else {
      copyRow(cache.stats, line, findings.stats, ordinal)
      findings.modes[ordinal] = modes[line]!
      findings.settled[ordinal] = 1
      progress.doneBytes += tree.sizeBytes(ordinal)
      if (!isMode(modes[line]!, tree.mode(ordinal))) sorted.inOtherMode.push(ordinal)
    }
  }
  return sorted
}

/** Hashes files; records those that have the wanted digest as present.
 *  Errors: the signal's. */
export async function checkFiles(
  { pool, tree, findings, progress, signal, reportProgress }: Downloading,
  ordinals: readonly number[],
  pathOf: (ordinal: number) => string,
): Promise<void> {
  await hashPresent({ pool, tree, signal }, ordinals, pathOf, (batch, answer) => {
    const { stats, digests, settled } = answer
    for (const [index, ordinal] of batch.entries()) {
      if (Number.isNaN(stats[index * hashColumns])) continue
      if (!tree.hasDigest(ordinal, digests, index * digestBytes)) continue
      const at = index * hashColumns
      findings.stats.set(stats.subarray(at, at + statColumns), ordinal * statColumns)
      findings.modes[ordinal] = stats[at + statColumns]!
      findings.settled[ordinal] = settled[index]!
      progress.doneBytes += tree.sizeBytes(ordinal)
    }
    reportProgress()
  })
}

export function isThere({ stats }: Findings, ordinal: number): boolean {
  return !Number.isNaN(stats[ordinal * statColumns])
}

/** Records a file that was written, with its stat columns, NaN when they may not be cached. */
export function note(
  findings: Findings,
  ordinal: number,
  tree: FetchedTree,
  stats: Float64Array,
): void {
  const at = ordinal * statColumns
  const isSettled = !Number.isNaN(stats[0])
  findings.settled[ordinal] = isSettled ? 1 : 0
  if (isSettled) findings.stats.set(stats, at)
  else findings.stats[at] = tree.sizeBytes(ordinal)
  findings.modes[ordinal] = tree.mode(ordinal)
}

/** Corrects the modes of files that were there with the right content. Call after `keepSettled`.
 *  Errors: FileError. */
export function correctModes(
  { tree, destination, findings }: Downloading,
  ordinals: readonly number[],
): void {
  // Fetching can take long: what has become a symlink would lead out of DEST.
  const isReal = createRealDirectories(destination.root)
  for (const ordinal of ordinals) {
    if (isMode(findings.modes[ordinal]!, tree.mode(ordinal))) continue
    const path = tree.path(ordinal)
    const file = join(destination.root, path)
    if (!isReal(parentOf(path)) || !lstatSync(file).isFile()) throw becameAnother(file, 'file')
    setMode(file, tree.mode(ordinal))
    // The ctime is new, so the cached stats no longer hold.
    findings.stats[ordinal * statColumns] = Number.NaN
  }
}

/** Leaves in the findings the stats that may be cached, and NaN for entries that must be
 *  examined again. Works in place, since a copy would take 32 bytes per entry. */
export function keepSettled(
  { tree, wanted, findings }: Downloading,
  { cache }: CheckedCache<DestinationCache>,
  { lines, isSame, unsettled }: KnownFiles & { unsettled: readonly number[] },
): void {
  for (const ordinal of unsettled)
    if (findings.settled[ordinal] !== 1) findings.stats[ordinal * statColumns] = Number.NaN
  if (cache === null || wanted.length === tree.count) return
  // Entries that were not wanted are unchanged. Those that were have these stats already.
  for (let ordinal = 0; ordinal < tree.count; ordinal++)
    if (isSame[ordinal] === 1) copyRow(cache.stats, lines[ordinal]!, findings.stats, ordinal)
}

function copyRow(from: Float64Array, row: number, to: Float64Array, toRow: number): void {
  for (let column = 0; column < statColumns; column++)
    to[toRow * statColumns + column] = from[row * statColumns + column]!
}

/** Updates the stats of files that were moved one by one after they were written, which changed
 *  their ctime. Call after `keepSettled`. */
export function noteMoved(
  { tree, destination, findings: { stats } }: Downloading,
  moved: readonly number[],
): void {
  for (const ordinal of moved) {
    const at = ordinal * statColumns
    if (Number.isNaN(stats[at])) continue
    const found = lstatSync(join(destination.root, tree.path(ordinal)))
    const isAsMade = found.size === stats[at] && found.mtimeMs === stats[at + 1]
    if (isAsMade && isSettledAsMade(found, Date.now())) stats.set(columnsOf(found), at)
    else stats[at] = Number.NaN
  }
}
