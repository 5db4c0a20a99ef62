/** An artifact's entries in the form that a download needs: their canonical text, and columns of
 *  facts about each. A path becomes a string only on request. */
import type { Digest } from '../../core/bytes/digest.ts'
import { comparePaths, type EntryKind, parseEntryPath } from '../../core/manifest/entry.ts'
import { readEntry } from '../../core/manifest/manifest.ts'
import {
  createLineCheck,
  hexByte,
  isFileLine,
  readFileLine,
  skimFileLine,
} from '../../core/manifest/manifest-text.ts'
import { readTimes } from '../../core/manifest/modification-times.ts'
import { compileSelection } from '../../core/glob/path-glob.ts'

export interface FetchedTree {
  readonly count: number
  /** Canonical text without its first line, in pieces. */
  readonly text: readonly Buffer[]
  kind(ordinal: number): EntryKind
  path(ordinal: number): string
  /** Where each line begins in the text, and where the last one ends. */
  lineStarts(): Uint32Array
  /** Whether two entries are in the same directory. */
  areBeside(ordinal: number, other: number): boolean
  mode(ordinal: number): number
  sizeBytes(ordinal: number): number
  digest(ordinal: number): Digest
  digestBytes(ordinal: number): Buffer
  /** Whether the digest equals the bytes of `bytes` at `at`. Allocates nothing, since a download
   *  calls it for each file. */
  hasDigest(ordinal: number, bytes: Uint8Array, at: number): boolean
  linkTarget(ordinal: number): string
  /** Whole seconds; null when the upload had none. */
  modifiedAt(ordinal: number): number | null
}

/** Returns the index, in the tree or in `ordinals`, of the first path that does not sort before
 *  `path`. */
export function firstFrom(
  tree: Pick<FetchedTree, 'count' | 'path'>,
  path: string,
  ordinals?: readonly number[],
): number {
  let low = 0
  let high = ordinals?.length ?? tree.count
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    if (comparePaths(tree.path(ordinals?.[middle] ?? middle), path) < 0) low = middle + 1
    else high = middle
  }
  return low
}

/** Returns the ordinals of entries whose paths match one of the globs; without globs all.
 *  Errors: invalid_request (a glob). */
export function selectEntries(tree: FetchedTree, globs: readonly string[] = []): number[] {
  const all: number[] = []
  for (let ordinal = 0; ordinal < tree.count; ordinal++) all.push(ordinal)
  if (globs.length === 0) return all
  const matches = compileSelection(globs)
  return all.filter((ordinal) => matches(tree.path(ordinal)))
}

export function withoutSymlinks(tree: FetchedTree, ordinals: readonly number[]): number[] {
  return ordinals.filter((ordinal) => tree.kind(ordinal) !== 'symlink')
}

export interface TreeColumns extends FetchedTree {
  /** Adds lines. The digest of the whole text vouches for the form of each line; only paths are
   *  validated.
   *  Errors: unsafe_path, duplicate_path, RangeError. */
  addLines(text: Buffer): void
  /** Adds lines whose paths have been validated in this order. Errors: RangeError. */
  addJudgedLines(text: Buffer): void
  /** Adds times of the next `count` entries, as encoded by `encodeTimes`; empty when there are
   *  none. */
  addTimes(bytes: Buffer, count: number): void
}

const kinds: readonly EntryKind[] = ['file', 'directory', 'symlink']
const fileKind = kinds.indexOf('file')
const lineFeed = 0x0a
const slash = 0x2f
/** Length of a digest as text; it precedes the path, separated by a space. */
const hexBytes = 64

interface Columns {
  kinds: Uint8Array
  /** For each entry the index of its buffer in `text`, and the range of its path there. */
  texts: Uint32Array
  pathsAt: Uint32Array
  pathEnds: Uint32Array
  modes: Uint16Array
  sizes: Float64Array
}

function columnsFor(capacity: number, held?: Columns): Columns {
  const columns = {
    kinds: new Uint8Array(capacity),
    texts: new Uint32Array(capacity),
    pathsAt: new Uint32Array(capacity),
    pathEnds: new Uint32Array(capacity),
    modes: new Uint16Array(capacity),
    sizes: new Float64Array(capacity),
  }
  if (held !== undefined)
    for (const name of Object.keys(held) as (keyof Columns)[]) columns[name].set(held[name])
  return columns
}

export function createTreeColumns(): TreeColumns {
  const text: Buffer[] = []
  const targets = new Map<number, string>()
  const times = createTimes()
  // A file below a symlink would be written wherever the symlink points.
  const check = createLineCheck()
  let capacity = 1024
  let columns = columnsFor(capacity)
  let count = 0

  const addLine = (
    lines: Buffer,
    { at, end, isJudged }: { at: number; end: number; isJudged: boolean },
  ): void => {
    if (count === capacity) {
      capacity = Math.ceil(capacity * 1.5)
      columns = columnsFor(capacity, columns)
    }
    if (isFileLine(lines, at)) {
      const { mode, sizeBytes, pathAt } = isJudged
        ? skimFileLine(lines, at)
        : readFileLine(lines, at, end)
      if (!isJudged) check(lines, pathAt, end, false)
      columns.kinds[count] = fileKind
      columns.modes[count] = mode
      columns.sizes[count] = sizeBytes
      columns.pathsAt[count] = pathAt
    } else {
      const entry = readEntry(lines.toString('utf8', at, end), parseEntryPath)
      const pathAt = end - Buffer.byteLength(entry.path)
      if (!isJudged) check(lines, pathAt, end, entry.kind === 'directory')
      columns.kinds[count] = kinds.indexOf(entry.kind)
      columns.modes[count] = entry.mode
      columns.pathsAt[count] = pathAt
      if (entry.kind === 'symlink') targets.set(count, entry.target)
    }
    columns.pathEnds[count] = end
    columns.texts[count] = text.length - 1
    count += 1
  }

  const addLines = (lines: Buffer, isJudged: boolean): void => {
    text.push(lines)
    for (let at = 0; at < lines.length;) {
      const end = lines.indexOf(lineFeed, at)
      if (end < 0) throw new RangeError('the manifest text does not end with a line feed')
      addLine(lines, { at, end, isJudged })
      at = end + 1
    }
  }

  /** Digests stay in the text: 32 more bytes per entry would add up with hundreds of thousands
   *  of entries. */
  const hexOf = (ordinal: number): string => {
    const pathAt = columns.pathsAt[ordinal]!
    return text[columns.texts[ordinal]!]!.toString('latin1', pathAt - hexBytes - 1, pathAt - 1)
  }

  return {
    get count() {
      return count
    },
    text,
    kind: (ordinal) => kinds[columns.kinds[ordinal]!]!,
    path: (ordinal) =>
      text[columns.texts[ordinal]!]!.toString(
        'utf8',
        columns.pathsAt[ordinal]!,
        columns.pathEnds[ordinal]!,
      ),
    lineStarts: () => {
      const starts = new Uint32Array(count + 1)
      let piece = 0
      let before = 0
      for (let ordinal = 0; ordinal < count; ordinal++) {
        for (; piece < columns.texts[ordinal]!; piece++) before += text[piece]!.length
        starts[ordinal + 1] = before + columns.pathEnds[ordinal]! + 1
      }
      return starts
    },
    areBeside: (ordinal, other) => {
      const [own, others] = [text[columns.texts[ordinal]!]!, text[columns.texts[other]!]!]
      const [ownAt, otherAt] = [columns.pathsAt[ordinal]!, columns.pathsAt[other]!]
      let bytes = columns.pathEnds[ordinal]! - ownAt
      while (bytes > 0 && own[ownAt + bytes - 1] !== slash) bytes -= 1
      for (let index = 0; index < bytes; index++) {
        if (own[ownAt + index] !== others[otherAt + index]) return false
      }
      const end = columns.pathEnds[other]!
      for (let index = otherAt + bytes; index < end; index++)
        if (others[index] === slash) return false
      return true
    },
    mode: (ordinal) => columns.modes[ordinal]!,
    sizeBytes: (ordinal) => columns.sizes[ordinal]!,
    digest: (ordinal) => hexOf(ordinal) as Digest,
    digestBytes: (ordinal) => Buffer.from(hexOf(ordinal), 'hex'),
    hasDigest: (ordinal, bytes, at) => {
      const own = text[columns.texts[ordinal]!]!
      const hexAt = columns.pathsAt[ordinal]! - hexBytes - 1
      for (let index = 0; index < hexBytes / 2; index++) {
        if (hexByte(own, hexAt + 2 * index) !== bytes[at + index]) return false
      }
      return true
    },
    linkTarget: (ordinal) => targets.get(ordinal)!,
    modifiedAt: times.at,
    addLines: (lines) => addLines(lines, false),
    addJudgedLines: (lines) => addLines(lines, true),
    addTimes: times.add,
  }
}

/** Pages of times stay encoded until a time of the page is read. */
function createTimes(): {
  add(bytes: Buffer, count: number): void
  at(ordinal: number): number | null
} {
  const pages: { bytes: Buffer; count: number; seconds?: Float64Array }[] = []
  return {
    add: (bytes, count) => {
      pages.push({ bytes, count })
    },
    at: (ordinal) => {
      // The last page may have fewer entries.
      const pageEntries = pages[0]?.count ?? 1
      const page = pages[Math.floor(ordinal / pageEntries)]
      if (page === undefined || page.bytes.length === 0) return null
      page.seconds ??= readTimes(page.bytes, page.count)
      const time = page.seconds[ordinal % pageEntries]
      // Undefined only in pages of a misbehaving server, whose sizes differ.
      return time === undefined || Number.isNaN(time) ? null : time
    },
  }
}
