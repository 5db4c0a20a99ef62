/** Finds the lines that a tree shares with the cached tree of its directory. */
import { comparePaths } from '../../core/manifest/entry.ts'
import { formatEntry } from '../../core/manifest/manifest.ts'
import { type ManifestLines, pathOfLine } from '../../core/manifest/manifest-changes.ts'
import { notAsCached } from '../files/file-tasks.ts'
import { otherEntry, type SourceTree } from './source-tree.ts'
import { type TreeCache } from '../cache/tree-cache.ts'
import { statColumns } from '../files/stat-columns.ts'

/** Line number of an entry that is new or changed. */
export const notKept = -1

/** Returns a function that finds the line of a path, or `notKept`. Paths must be looked up in
 *  ascending order. */
export function createLineMatcher(known: ManifestLines): (path: string) => number {
  const count = known.starts.length - 1
  let line = -1
  let current = ''
  const advance = (): void => {
    line += 1
    if (line < count) current = pathOfLine(known, line)
  }
  return (path) => {
    while (line < count && comparePaths(current, path) < 0) advance()
    return line < count && current === path ? line : notKept
  }
}

/** Clears the lines of entries that have changed, given the modes that checking the cached files
 *  has found. Returns the changed files, and the number and bytes of those that need not be
 *  read. */
export function dropChanged(
  lines: number[],
  tree: SourceTree,
  cache: TreeCache,
  modes: Uint16Array,
): { changed: number[]; kept: { files: number; bytes: number } } {
  const { text, starts, stats } = cache
  const changed: number[] = []
  const kept = { files: 0, bytes: 0 }
  for (let ordinal = 0; ordinal < lines.length; ordinal++) {
    const line = lines[ordinal]!
    if (line === notKept) continue
    if (tree.kind(ordinal) !== 'file') {
      const own = formatEntry(otherEntry(tree, ordinal))
      if (text.toString('utf8', starts[line], starts[line + 1]) !== own) lines[ordinal] = notKept
    } else if (modes[line] !== notAsCached && modes[line] === modeAt(text, starts[line]!)) {
      kept.files += 1
      kept.bytes += stats[line * statColumns]!
    } else {
      lines[ordinal] = notKept
      changed.push(ordinal)
    }
  }
  return { changed, kept }
}

/** Permission bits in a file's line: `f MODE …`. */
function modeAt(text: Buffer, at: number): number {
  const digit = (index: number): number => text[at + index]! - 0x30
  return digit(2) * 64 + digit(3) * 8 + digit(4)
}

/** Consecutive entries. */
export interface LineRun {
  ordinal: number
  count: number
  /** The first of as many consecutive lines of the cache, or `notKept`. */
  line: number
}

/** Groups all entries into the fewest runs. */
export function runsOf(lines: readonly number[]): LineRun[] {
  const runs: LineRun[] = []
  let run: LineRun | undefined
  for (let ordinal = 0; ordinal < lines.length; ordinal++) {
    const line = lines[ordinal]!
    const follows = run?.line === notKept ? notKept : run && run.line + run.count
    if (run !== undefined && line === follows) run.count += 1
    else runs.push((run = { ordinal, count: 1, line }))
  }
  return runs
}
