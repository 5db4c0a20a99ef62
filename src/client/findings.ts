/** What a download knows of the files it wants: which are there with their content, and what the stat cache may keep. */
import { chmodSync, lstatSync } from 'node:fs'
import { join } from 'node:path'
import type { Downloading, Findings } from './downloading.ts'
import type { FetchedTree } from './tree-columns.ts'
import { hashColumns } from './file-tasks.ts'
import { notKnown, type KnownFiles } from './known-files.ts'
import { createStatCacheWriter } from './stat-cache-writer.ts'
import { digestBytes, isRacy, type StatCache, statColumns } from './stat-cache.ts'

export function createFindings(count: number): Findings {
  return {
    stats: new Float64Array(count * hashColumns).fill(Number.NaN),
    settled: new Uint8Array(count),
  }
}

/** Notes files that are known to be as they were; answers the others, whose content must be looked at. Of those that are
 *  known with another content `known` forgets them. */
export function noteKnown(
  { tree, findings, progress }: Downloading,
  ordinals: readonly number[],
  { cache, mode }: KnownFiles,
  known: Int32Array,
): number[] {
  return ordinals.filter((ordinal) => {
    const index = known[ordinal]!
    if (index === notKnown) return true
    if (!tree.hasDigest(ordinal, cache.digests, index * digestBytes)) {
      known[ordinal] = notKnown
      return false
    }
    const at = ordinal * hashColumns
    for (let column = 0; column < statColumns; column++)
      findings.stats[at + column] = cache.stats[index * statColumns + column]!
    findings.stats[at + statColumns] = mode(index)
    findings.settled[ordinal] = 1
    progress.doneBytes += tree.sizeBytes(ordinal)
    return false
  })
}

const filesPerTask = 128

/** Hashes files; those that have the wanted digest are noted as there. */
export async function checkFiles(
  { pool, tree, findings, progress, tell }: Downloading,
  ordinals: readonly number[],
  pathOf: (ordinal: number) => string,
): Promise<void> {
  const checks: Promise<void>[] = []
  for (let first = 0; first < ordinals.length; first += filesPerTask) {
    const batch = ordinals.slice(first, first + filesPerTask)
    const paths = batch.map((ordinal) => `${pathOf(ordinal)}\0`).join('')
    const check = pool.run({ kind: 'check', paths }).then(({ stats, digests, settled }) => {
      for (const [index, ordinal] of batch.entries()) {
        if (Number.isNaN(stats[index * hashColumns])) continue
        if (!tree.hasDigest(ordinal, digests, index * digestBytes)) continue
        findings.stats.set(
          stats.subarray(index * hashColumns, (index + 1) * hashColumns),
          ordinal * hashColumns,
        )
        findings.settled[ordinal] = settled[index]!
        progress.doneBytes += tree.sizeBytes(ordinal)
      }
      tell()
    })
    check.catch(() => {})
    checks.push(check)
  }
  await Promise.all(checks)
}

export function isThere({ stats }: Findings, ordinal: number): boolean {
  return !Number.isNaN(stats[ordinal * hashColumns])
}

/** Notes a file that was written, with its stat columns, NaN when they may not be recorded. */
export function note(
  findings: Findings,
  ordinal: number,
  tree: FetchedTree,
  stats: Float64Array,
): void {
  const at = ordinal * hashColumns
  const isSettled = !Number.isNaN(stats[0])
  findings.settled[ordinal] = isSettled ? 1 : 0
  if (isSettled) findings.stats.set(stats, at)
  else findings.stats[at] = tree.sizeBytes(ordinal)
  findings.stats[at + 4] = tree.mode(ordinal)
}

/** Files that were there with the right content may have another mode. */
export function correctModes(
  { tree, destination, findings }: Downloading,
  present: readonly number[],
): void {
  for (const ordinal of present) {
    const mode = findings.stats[ordinal * hashColumns + 4]
    if (mode === tree.mode(ordinal)) continue
    chmodSync(join(destination.root, tree.path(ordinal)), tree.mode(ordinal))
    // A new ctime: what is known of the file does not hold any more.
    findings.settled[ordinal] = 0
  }
}

/** Remembers what is there now. `known`: what `cache` has of files as they still are; `moved`: paths of files that were
 *  moved, which changes what is known of them. */
export function saveCache(
  { tree, wanted, destination, findings }: Downloading,
  cachePath: string | null,
  { cache, known, moved }: { cache: StatCache; known: Int32Array; moved: ReadonlySet<string> },
): void {
  if (cachePath === null) return
  const writer = createStatCacheWriter(cachePath, wanted.length)
  let run = { from: 0, to: 0 }
  const endRun = (): void => {
    if (run.to > run.from) writer.addRows(cache, run.from, run.to)
  }
  for (const ordinal of wanted) {
    if (tree.kind(ordinal) !== 'file' || findings.settled[ordinal] !== 1) continue
    const index = known[ordinal]!
    if (index === run.to && index !== notKnown) {
      run.to += 1
      continue
    }
    endRun()
    run = { from: index, to: index === notKnown ? notKnown : index + 1 }
    if (index !== notKnown) continue
    const path = tree.path(ordinal)
    const own = findings.stats.subarray(ordinal * hashColumns, ordinal * hashColumns + statColumns)
    if (moved.has(path)) {
      const stats = lstatSync(join(destination.root, path))
      if (stats.size !== own[0] || stats.mtimeMs !== own[1] || isRacy(stats.mtimeMs, Date.now()))
        continue
      own.set([stats.size, stats.mtimeMs, stats.ctimeMs, stats.ino])
    }
    writer.add(path, own, tree.digestBytes(ordinal))
  }
  endRun()
  try {
    writer.save()
  } catch {
    // The next download reads the files again.
  }
}
