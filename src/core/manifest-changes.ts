/** What makes one manifest of another, so that who has the one need not be sent the whole of the other. As text: the line
 *  `trove manifest changes 1`, then in order of paths the canonical line (core/manifest.ts) of each entry that is new or
 *  different, and `- PATH` of each that is gone. */
import { unreadableLine } from './manifest.ts'

const lineFeed = 0x0a
const space = 0x20

export const changesHeader = 'trove manifest changes 1\n'

export function formatRemoval(path: string): string {
  return `- ${path}\n`
}

/** Whole lines of what comes out, in the memory of the base or of the changes. */
export interface Stretch {
  readonly text: Buffer
  /** Lines of the base, else one of the changes. */
  readonly isKept: boolean
  /** Where in the base they begin, or the line begins whose place this one takes; null for one that is new. */
  readonly baseAt: number | null
}

/** Text without the header line; `changes` too. What comes out is for its digest to judge. Errors: RangeError when a line
 *  cannot be read. */
export function applyChanges(base: Buffer, changes: Buffer): Stretch[] {
  const stretches: Stretch[] = []
  const keep = (from: number, to: number): void => {
    if (to > from) stretches.push({ text: base.subarray(from, to), isKept: true, baseAt: from })
  }
  let from = 0
  for (let at = 0; at < changes.length;) {
    const end = lineEnd(changes, at)
    const path = [pathStart(changes, at, end), end] as const
    const place = findLine(base, from, changes, path)
    keep(from, place.at)
    if (changes[at] !== removal) {
      const baseAt = place.end > place.at ? place.at : null
      stretches.push({ text: changes.subarray(at, end + 1), isKept: false, baseAt })
    }
    from = place.end
    at = end + 1
  }
  keep(from, base.length)
  return stretches
}

const removal = 0x2d
const fileLine = 0x66
const linkLine = 0x6c

function lineEnd(text: Buffer, at: number): number {
  const end = text.indexOf(lineFeed, at)
  if (end < 0) throw unreadableLine()
  return end
}

function pathStart(text: Buffer, at: number, end: number): number {
  switch (text[at]) {
    case removal:
      return at + 2
    case fileLine:
      return text.indexOf(space, at + 6) + 66
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

/** Where the line of a path stands, at or after the line at `from`; an empty stretch where it would. */
function findLine(
  base: Buffer,
  from: number,
  changes: Buffer,
  path: readonly [at: number, end: number],
): { at: number; end: number } {
  let low = from
  let high = base.length
  let foundEnd: number | undefined
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const at = middle === low ? low : Math.max(low, base.lastIndexOf(lineFeed, middle - 1) + 1)
    const end = lineEnd(base, at)
    const order = base.compare(changes, path[0], path[1], pathStart(base, at, end), end)
    if (order < 0) {
      low = end + 1
    } else {
      high = at
      if (order === 0) foundEnd = end + 1
    }
  }
  return { at: low, end: foundEnd ?? low }
}
