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

/** Text without the header line; `changes` too. Answers stretches of whole lines, which share the memory of both. What comes
 *  out is for its digest to judge. Errors: RangeError when a line cannot be read. */
export function applyChanges(base: Buffer, changes: Buffer): Buffer[] {
  const pieces: Buffer[] = []
  let from = 0
  for (let at = 0; at < changes.length;) {
    const end = lineEnd(changes, at)
    const path = [pathStart(changes, at, end), end] as const
    const place = findLine(base, from, changes, path)
    if (place.at > from) pieces.push(base.subarray(from, place.at))
    if (changes[at] !== removal) pieces.push(changes.subarray(at, end + 1))
    from = place.end
    at = end + 1
  }
  if (from < base.length) pieces.push(base.subarray(from))
  return pieces
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
