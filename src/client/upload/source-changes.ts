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
  const { text, starts, treeDigest: base, count } = cache
  const bytesMax = Math.min(changesBytesMax - changesHeader.length, text.length / 2)
  const lines: string[] = []
  const ordinals: number[] = []
  let bytes = 0
  /** The first line of the cached tree that is not yet compared. */
  let at = 0
  const push = (line: string): void => {
    lines.push(line)
    bytes += Buffer.byteLength(line)
  }
  /** Removes the lines before `end`, or those of them whose paths sort before `path`. */
  const removeTo = (end: number, path?: string): void => {
    for (; at < end && bytes <= bytesMax; at++) {
      const gone = pathOfLine(cache, at)
      if (path !== undefined && comparePaths(gone, path) >= 0) return
      push(formatRemoval(gone))
    }
  }
  for (const [index, run] of runs.entries()) {
    if (run.line !== notKept) {
      removeTo(run.line)
      at = run.line + run.count
      continue
    }
    const end = run.ordinal + run.count
    // The lines before are of entries that are gone or changed.
    const nextKept = runs[index + 1]?.line ?? count
    for (let ordinal = run.ordinal; ordinal < end && bytes <= bytesMax; ordinal++) {
      const own = entry(ordinal)
      removeTo(nextKept, own.path)
      const formatted = formatEntry(own)
      const isThere = at < nextKept && pathOfLine(cache, at) === own.path
      // The file was touched, but its line is the same.
      const isSame = isThere && text.toString('utf8', starts[at], starts[at + 1]) === formatted
      if (isThere) at += 1
      if (isSame) continue
      push(formatted)
      ordinals.push(ordinal)
    }
  }
  removeTo(count)
  return bytes > bytesMax ? null : { base, text: lines.join(''), ordinals }
}
