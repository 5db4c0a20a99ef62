/** The canonical text of a manifest (core/manifest/manifest.ts) as bytes. A download receives
 *  every line of a tree but needs few as strings; checking them as bytes takes a fifth of the
 *  time for a tree of 100,000 entries. */
import { parseEntryPath, unsafePath } from './entry.ts'
import { limits } from '../limits.ts'
import { belowFile, outOfOrder, unreadableLine } from './manifest.ts'

const space = 0x20
const slash = 0x2f
const zero = 0x30
const letterF = 0x66

/** Values of hex digits; 16 for every other byte. */
const hexValues = Uint8Array.from({ length: 256 }, (_, code) => {
  const value = '0123456789abcdef'.indexOf(String.fromCharCode(code))
  return value < 0 ? 16 : value
})

/** Returns the byte that two hex digits encode; 256 or more when either is not a hex digit. */
export function hexByte(text: Uint8Array, at: number): number {
  return (hexValues[text[at]!]! << 4) | hexValues[text[at + 1]!]!
}

export function isFileLine(text: Uint8Array, at: number): boolean {
  return text[at] === letterF
}

interface FileLine {
  mode: number
  sizeBytes: number
  /** Where the path begins; the 64 digits of the digest end one byte earlier. */
  pathAt: number
}

/** Reads a file's line, from `at` to its line feed at `end`. Accepts some spellings that
 *  `parseEntry` rejects, all of which mean the same entry.
 *  Errors: RangeError. */
export function readFileLine(text: Uint8Array, at: number, end: number): FileLine {
  let mode = 0
  for (let index = at + 2; index < at + 5; index++) {
    const digit = text[index]! - zero
    if (!(digit >= 0 && digit < 8)) throw unreadableLine()
    mode = mode * 8 + digit
  }
  let sizeBytes = 0
  let index = at + 6
  for (; index < end && text[index] !== space; index++) {
    const digit = text[index]! - zero
    if (!(digit >= 0 && digit < 10)) throw unreadableLine()
    sizeBytes = sizeBytes * 10 + digit
  }
  const hexAt = index + 1
  const pathAt = hexAt + 65
  if (pathAt >= end || index === at + 6 || !Number.isSafeInteger(sizeBytes)) throw unreadableLine()
  let odd = 0
  for (let digit = hexAt; digit < hexAt + 64; digit++) odd |= hexValues[text[digit]!]!
  const isApart = text[at + 1] === space && text[at + 5] === space && text[pathAt - 1] === space
  if ((odd & 16) !== 0 || !isApart) throw unreadableLine()
  return { mode, sizeBytes, pathAt }
}

/** Like `readFileLine`, for a line that was read before: does not validate. */
export function skimFileLine(text: Uint8Array, at: number): FileLine {
  const mode = (text[at + 2]! - zero) * 64 + (text[at + 3]! - zero) * 8 + text[at + 4]! - zero
  let sizeBytes = 0
  let index = at + 6
  for (; index < text.length && text[index] !== space; index++)
    sizeBytes = sizeBytes * 10 + (text[index]! - zero)
  return { mode, sizeBytes, pathAt: index + 66 }
}

/** Where a byte may occur in a plainly safe path: nowhere (`odd`), within a segment but not first
 *  (`inside`), anywhere in a segment, or between segments. */
const inPath = { odd: 0, inside: 1, anywhere: 2, between: 3 } as const
const pathBytes = Uint8Array.from({ length: 256 }, (_, code) => {
  const text = String.fromCharCode(code)
  if (code === slash) return inPath.between
  if (/^[A-Za-z0-9_@+~-]$/.test(text)) return inPath.anywhere
  return /^[. ]$/.test(text) ? inPath.inside : inPath.odd
})
const plainBytesMax = Math.min(limits.segmentBytesMax, limits.pathBytesMax)

/** Reports whether the segments from `at` to `end` are plainly safe. */
function arePlain(text: Uint8Array, at: number, end: number): boolean {
  let isInside = false
  for (let index = at; index < end; index++) {
    const kind = pathBytes[text[index]!]!
    if (kind === inPath.odd || (kind !== inPath.anywhere && !isInside)) return false
    isInside = kind !== inPath.between
  }
  return isInside
}

/** Returns a function that checks the paths of lines, given in order, as `parseEntryPath` and
 *  `createTreeCheck` do: each is safe to write to a disk, none occurs twice, and nothing lies below
 *  a file or a symlink. A line's text must stay unchanged until the next is checked.
 *  Errors: unsafe_path, duplicate_path. */
export function createLineCheck(): (
  text: Buffer,
  pathAt: number,
  end: number,
  isDirectory: boolean,
) => void {
  let previous: Uint8Array = Buffer.alloc(0)
  let previousAt = 0
  let previousBytes = 0
  /** Lengths of the files and symlinks whose paths are prefixes of the previous path. */
  const leaves: number[] = []
  return (text, pathAt, end, isDirectory) => {
    const bytes = end - pathAt
    const most = Math.min(bytes, previousBytes)
    let shared = 0
    while (shared < most && text[pathAt + shared] === previous[previousAt + shared]) shared += 1
    // The shared prefix was checked before, except for its last segment, which may now end
    // differently.
    let checked = shared
    while (checked > 0 && text[pathAt + checked - 1] !== slash) checked -= 1
    if (bytes > plainBytesMax || !arePlain(text, pathAt + checked, end))
      checkPath(text, pathAt, end)
    const isAfter =
      shared < bytes &&
      (shared === previousBytes || text[pathAt + shared]! > previous[previousAt + shared]!)
    if (!isAfter) throw outOfOrder(text.toString('utf8', pathAt, end))
    while (leaves.length > 0 && leaves.at(-1)! > shared) leaves.pop()
    for (const leaf of leaves) {
      if (text[pathAt + leaf] === slash) throw belowFile(text.toString('utf8', pathAt, end))
    }
    if (!isDirectory) leaves.push(bytes)
    previous = text
    previousAt = pathAt
    previousBytes = bytes
  }
}

function checkPath(text: Buffer, pathAt: number, end: number): void {
  const path = text.toString('utf8', pathAt, end)
  // Two paths that differ as bytes could be the same text.
  if (!Buffer.from(path).equals(text.subarray(pathAt, end)))
    throw unsafePath(path, 'it is not valid UTF-8')
  parseEntryPath(path)
}
