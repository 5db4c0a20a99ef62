/** The changes from the cached tree of a directory to the tree of an upload
 *  (core/manifest/manifest-changes.ts). */
import type { Digest } from '../../core/bytes/digest.ts'
import { comparePaths, type Entry } from '../../core/manifest/entry.ts'
import { formatEntry } from '../../core/manifest/manifest.ts'
import {
  changesBytesMax,
  changesHeader,
  formatRemoval,
  pathOfLine,
} from '../../core/manifest/manifest-changes.ts'
import { type LineRun, notKept } from './kept-lines.ts'
import type { StatCache } from './stat-cache.ts'

export interface SourceChanges {
  /** Digest of the cached tree. */
  base: Digest
  /** The changes, without the header line. */
  text: string
  /** Ordinals of the entries that the text contains, in order. */
  ordinals: number[]
}

/** Returns null when the changes would not be much shorter than the tree. */
export function changesOf(
  runs: readonly LineRun[],
  cache: StatCache,
  entry: (ordinal: number) => Entry,
): SourceChanges | null {
  const bytesMax = Math.min(changesBytesMax - changesHeader.length, cache.text.length / 2)
  const changes = createChanges(cache, entry, bytesMax)
  let fresh: LineRun | null = null
  let line = 0
  for (const run of runs) {
    if (run.line === notKept) {
      fresh = run
      continue
    }
    changes.add(fresh, line, run.line)
    fresh = null
    line = run.line + run.count
  }
  changes.add(fresh, line, cache.count)
  return changes.result()
}

function createChanges(
  cache: StatCache,
  entry: (ordinal: number) => Entry,
  bytesMax: number,
): {
  /** Replaces lines `from` to `to` of the cached tree with the entries `fresh`. */
  add(fresh: LineRun | null, from: number, to: number): void
  result(): SourceChanges | null
} {
  const { text, starts, treeDigest: base } = cache
  const lines: string[] = []
  const ordinals: number[] = []
  let bytes = 0
  const lineAt = (line: number): string => text.toString('utf8', starts[line], starts[line + 1])
  const push = (line: string): void => {
    lines.push(line)
    bytes += Buffer.byteLength(line)
  }
  return {
    add: (fresh, from, to) => {
      let line = from
      const removeBefore = (path: string | null): void => {
        for (; line < to && bytes <= bytesMax; line++) {
          const gone = pathOfLine(cache, line)
          if (path !== null && comparePaths(gone, path) >= 0) return
          push(formatRemoval(gone))
        }
      }
      const end = fresh === null ? 0 : fresh.ordinal + fresh.count
      for (let ordinal = fresh?.ordinal ?? 0; ordinal < end && bytes <= bytesMax; ordinal++) {
        const own = entry(ordinal)
        removeBefore(own.path)
        const formatted = formatEntry(own)
        const isThere = line < to && pathOfLine(cache, line) === own.path
        // The file was touched, but its line is the same.
        const isSame = isThere && lineAt(line) === formatted
        if (isThere) line += 1
        if (isSame) continue
        push(formatted)
        ordinals.push(ordinal)
      }
      removeBefore(null)
    },
    result: () => (bytes > bytesMax ? null : { base, text: lines.join(''), ordinals }),
  }
}
