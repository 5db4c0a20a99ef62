/** What makes one manifest of another, so that who has the one need not be sent the whole of the other. As text: the line
 *  `trove manifest changes 1`, then in order of paths the canonical line (core/manifest.ts) of each entry that is new or
 *  different, and `- PATH` of each that is gone. */
import { type Entry, type EntryPath, parseEntryPath } from './entry.ts'
import { parseEntry, unreadableLine } from './manifest.ts'
import { isFileLine, skimFileLine } from './manifest-text.ts'

const lineFeed = 0x0a
const space = 0x20

export const changesHeader = 'trove manifest changes 1\n'

/** Changes that an upload sends are no longer than this; it sends the whole manifest where they would be. */
export const changesBytesMax: number = 4 * 1024 * 1024

export function formatRemoval(path: string): string {
  return `- ${path}\n`
}

/** An entry that is new or different, or a path that is gone. */
export type Change = { kind: 'entry'; entry: Entry } | { kind: 'removal'; path: EntryPath }

/** Reads a line of changes, without its line feed. Errors: unsafe_path, invalid_request. */
export function parseChange(line: string): Change {
  return line.startsWith('- ')
    ? { kind: 'removal', path: parseEntryPath(line.slice(2)) }
    : { kind: 'entry', entry: parseEntry(line) }
}

export function changedPath(change: Change): EntryPath {
  return change.kind === 'entry' ? change.entry.path : change.path
}

/** Lines of a manifest without its first line. */
export interface ManifestLines {
  readonly text: Buffer
  /** Where each line begins in `text`, and the last one ends. */
  readonly starts: Uint32Array
}

export function pathOfLine({ text, starts }: ManifestLines, line: number): string {
  const end = starts[line + 1]! - 1
  return text.toString('utf8', pathStart(text, starts[line]!, end), end)
}

/** Whole lines of what comes out, in the memory of the base or of the changes. */
export interface Stretch {
  readonly text: Buffer
  /** Lines of the base, else one of the changes. */
  readonly isKept: boolean
  /** The first of them in the base, or the line whose place this one takes; null for one that is new. */
  readonly baseLine: number | null
}

/** `changes` without their header line. What comes out is for its digest to judge. Errors: RangeError when a line cannot be
 *  read. */
export function applyChanges(base: ManifestLines, changes: Buffer): Stretch[] {
  const { text, starts } = base
  const stretches: Stretch[] = []
  const keep = (from: number, to: number): void => {
    if (to === from) return
    const kept = text.subarray(starts[from], starts[to])
    stretches.push({ text: kept, isKept: true, baseLine: from })
  }
  let from = 0
  for (let at = 0; at < changes.length;) {
    const end = lineEnd(changes, at)
    const path = [pathStart(changes, at, end), end] as const
    const { line, isThere } = findLine(base, from, changes, path)
    keep(from, line)
    if (changes[at] !== removal) {
      const changed = changes.subarray(at, end + 1)
      stretches.push({ text: changed, isKept: false, baseLine: isThere ? line : null })
    }
    from = isThere ? line + 1 : line
    at = end + 1
  }
  keep(from, starts.length - 1)
  return stretches
}

const removal = 0x2d
const linkLine = 0x6c

function lineEnd(text: Buffer, at: number): number {
  const end = text.indexOf(lineFeed, at)
  if (end < 0) throw unreadableLine()
  return end
}

/** Where the path begins in the line, or removal, from `at` to its line feed at `end`. Nothing is judged. */
export function pathStart(text: Buffer, at: number, end: number): number {
  if (isFileLine(text, at)) return skimFileLine(text, at).pathAt
  switch (text[at]) {
    case removal:
      return at + 2
    case linkLine: {
      const targetAt = text.indexOf(space, at + 2) + 1
      return (
        targetAt + Number.parseInt(text.toString('latin1', at + 2, Math.min(targetAt, end)), 10) + 1
      )
    }
    default:
      return at + 6
  }
}

/** The first line, from `from` on, whose path is not before this one, and whether it is its own. In steps that double, since
 *  the next change is mostly near. */
function findLine(
  { text, starts }: ManifestLines,
  from: number,
  changes: Buffer,
  path: readonly [at: number, end: number],
): { line: number; isThere: boolean } {
  const orderAt = (line: number): number => {
    const end = starts[line + 1]! - 1
    return text.compare(changes, path[0], path[1], pathStart(text, starts[line]!, end), end)
  }
  const count = starts.length - 1
  let low = from
  let high = from
  for (let step = 1; high < count && orderAt(high) < 0; step *= 2) {
    low = high + 1
    high = Math.min(high + step, count)
  }
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    if (orderAt(middle) < 0) low = middle + 1
    else high = middle
  }
  return { line: low, isThere: low < count && orderAt(low) === 0 }
}
