/** The changes from one manifest to another, so that a party that has the first need not be sent
 *  all of the second. As text: the line `trove manifest changes 1`, then, in path order, the
 *  canonical line (core/manifest/manifest.ts) of each new or changed entry and `- PATH` for each
 *  removed one. */
import { type Entry, type EntryPath, parseEntryPath } from './entry.ts'
import { parseEntry, unreadableLine } from './manifest.ts'
import { isFileLine, skimFileLine } from './manifest-text.ts'

const lineFeed = 0x0a
const space = 0x20

export const changesHeader = 'trove manifest changes 1\n'

/** Upper bound on the changes that an upload sends; above it the client sends the whole
 *  manifest. */
export const changesBytesMax: number = 4 * 1024 * 1024

export function formatRemoval(path: string): string {
  return `- ${path}\n`
}

/** An entry that is new or changed, or a path that was removed. */
export type Change = { kind: 'entry'; entry: Entry } | { kind: 'removal'; path: EntryPath }

/** Parses one line of changes, without its line feed. Errors: unsafe_path, invalid_request. */
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
  /** The offset of each line in `text`, followed by the end of the last line. */
  readonly starts: Uint32Array
}

export function pathOfLine({ text, starts }: ManifestLines, line: number): string {
  const end = starts[line + 1]! - 1
  return text.toString('utf8', pathStart(text, starts[line]!, end), end)
}

/** Whole lines of the result, in the memory of the base or of the changes. */
export interface Stretch {
  readonly text: Buffer
  /** Whether these are lines of the base; otherwise it is one line of the changes. */
  readonly isKept: boolean
  /** The first of them in the base, or the line that this one replaces; null for a new entry. */
  readonly baseLine: number | null
}

/** Applies `changes`, without their header line. The result is not validated: callers compare its
 *  digest.
 *  Errors: RangeError when a line cannot be parsed. */
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
    const { line, isMatch } = findLine(base, from, changes, path)
    keep(from, line)
    if (changes[at] !== removal) {
      const changed = changes.subarray(at, end + 1)
      stretches.push({ text: changed, isKept: false, baseLine: isMatch ? line : null })
    }
    from = isMatch ? line + 1 : line
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

/** Returns where the path begins in a manifest line or removal that starts at `at` and whose line
 *  feed is at `end`. Does not validate the line. */
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

/** Finds the first line at or after `from` whose path does not sort before `path`, and whether it
 *  is that path. Uses doubling steps, because the next change is usually near. */
function findLine(
  { text, starts }: ManifestLines,
  from: number,
  changes: Buffer,
  path: readonly [at: number, end: number],
): { line: number; isMatch: boolean } {
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
  return { line: low, isMatch: low < count && orderAt(low) === 0 }
}
