/** Encoding of a stored manifest page: columns, so that they deflate well, with paths
 *  front-coded and blobs by integer id. Digests, sizes and CRCs are in the blob rows.
 *
 *  A version byte, then deflated: the number of entries; for each entry one byte of kind and
 *  flags, and its mode when it differs from the previous entry's; the blob ids of the files as
 *  zigzag deltas; for each entry how many bytes its path shares with the one before and how many
 *  follow; those bytes, one path after the other; the link targets. */
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import type { Entry, EntryKind, EntryPath } from '../core/manifest/entry.ts'
import { limits } from '../core/limits.ts'
import { sharedPrefix } from '../core/bytes/shared-prefix.ts'
import {
  type ByteReader,
  type ByteWriter,
  createByteReader,
  createByteWriter,
} from '../core/bytes/varint.ts'

/** An entry as stored in a manifest: names its blob by database id. */
export type PageEntry =
  | { kind: 'file'; path: EntryPath; mode: number; blobId: number }
  | Exclude<Entry, { kind: 'file' }>

const version = 1
const kinds: readonly EntryKind[] = ['file', 'directory', 'symlink']
const kindMask = 3
const newModeFlag = 4
/** Far above the size of a full page of the longest paths and targets. */
const plainBytesMax =
  limits.manifestPageEntries * (limits.pathBytesMax + limits.symlinkTargetBytesMax + 64)

/** At most `limits.manifestPageEntries` entries, in `comparePaths` order. */
export function encodeManifestPage(entries: readonly PageEntry[]): Buffer {
  const out = createByteWriter(entries.length * 48 + 16)
  out.varint(entries.length)
  writeKindsAndModes(out, entries)
  writeBlobIds(out, entries)
  writePaths(out, entries)
  for (const entry of entries) if (entry.kind === 'symlink') out.sized(Buffer.from(entry.target))
  return Buffer.concat([Buffer.from([version]), deflateRawSync(out.bytes(), { level: 6 })])
}

/** Decodes the output of `encodeManifestPage`: all entries, or those at `indexes`, which ascend.
 *  Errors: RangeError and those of zlib, for anything else. */
export function decodeManifestPage(bytes: Uint8Array, indexes?: readonly number[]): PageEntry[] {
  return entriesOf(readPageColumns(bytes), indexes)
}

/** A page whose paths are not decoded yet; decoding them is most of the work. */
export interface PageColumns {
  count: number
  /** Indexes into `kinds`. */
  kinds: Uint8Array
  modes: Uint16Array
  /** Blob ids; 0 for entries that are not files. */
  blobIds: Float64Array
  /** Encoded paths and link targets. */
  names: Buffer
}

/** Errors: RangeError and those of zlib. */
export function readPageColumns(bytes: Uint8Array): PageColumns {
  if (bytes[0] !== version) throw new RangeError(`unknown manifest page version ${bytes[0]}`)
  const plain = inflateRawSync(bytes.subarray(1), { maxOutputLength: plainBytesMax })
  const reader = createByteReader(plain)
  const count = reader.varint()
  if (count > plain.length)
    throw new RangeError(`a manifest page claims ${count} entries in ${plain.length} bytes`)
  const columns = {
    count,
    kinds: new Uint8Array(count),
    modes: new Uint16Array(count),
    blobIds: new Float64Array(count),
  }
  readKindsAndModes(reader, columns)
  readBlobIds(reader, columns)
  return { ...columns, names: plain.subarray(reader.position()) }
}

/** Indexes at which two pages differ in mode or blob, when they have the same paths, kinds and
 *  link targets; otherwise undefined. */
export function differingIndexes(a: PageColumns, b: PageColumns): number[] | undefined {
  const isAlike = a.count === b.count && a.names.equals(b.names)
  if (!isAlike || Buffer.compare(a.kinds, b.kinds) !== 0) return undefined
  const differing: number[] = []
  for (let index = 0; index < a.count; index++) {
    if (a.modes[index] !== b.modes[index] || a.blobIds[index] !== b.blobIds[index])
      differing.push(index)
  }
  return differing
}

/** Paths of some entries of a page, and link targets by index. */
interface PageNames {
  paths: EntryPath[]
  targets: ReadonlyMap<number, string>
}

/** Entries of a page: all, or those at `indexes`, which ascend. `names`: the result of
 *  `readNames` for them, if already computed. */
export function entriesOf(
  columns: PageColumns,
  indexes: readonly number[] = Array.from({ length: columns.count }, (_, index) => index),
  { paths, targets }: PageNames = readNames(columns, indexes),
): PageEntry[] {
  return indexes.map((index, at) => {
    const kind = kinds[columns.kinds[index]!]!
    const [path, mode] = [paths[at]!, columns.modes[index]!]
    switch (kind) {
      case 'file':
        return { kind, path, mode, blobId: columns.blobIds[index]! }
      case 'symlink':
        return { kind, path, mode, target: targets.get(index)! }
      case 'directory':
        return { kind, path, mode }
    }
  })
}

/** Decodes the paths at `indexes`, which ascend, and all link targets. */
export function readNames(
  { count, kinds: kindOf, names }: PageColumns,
  indexes: readonly number[],
): PageNames {
  const reader = createByteReader(names)
  const lengths = new Uint16Array(2 * count)
  let pathBytes = 0
  for (let index = 0; index < count; index++) {
    const [shared, own] = [reader.varint(), reader.varint()]
    if (shared + own > limits.pathBytesMax)
      throw new RangeError(
        `a path in the manifest page is longer than ${limits.pathBytesMax} bytes`,
      )
    lengths[2 * index] = shared
    lengths[2 * index + 1] = own
    pathBytes += own
  }
  const suffixes = reader.raw(pathBytes)
  const paths: EntryPath[] = []
  // One buffer holds the current path, so the shared prefix is already in place.
  const path = Buffer.alloc(limits.pathBytesMax)
  let length = 0
  let at = 0
  for (let index = 0; index < count; index++) {
    const shared = lengths[2 * index]!
    if (shared > length)
      throw new RangeError('a path in the manifest page shares more than the previous path has')
    length = shared + lengths[2 * index + 1]!
    for (let byte = shared; byte < length; byte++) path[byte] = suffixes[at++]!
    if (indexes[paths.length] === index) paths.push(path.toString('utf8', 0, length) as EntryPath)
  }
  const targets = new Map<number, string>()
  const symlink = kinds.indexOf('symlink')
  for (let index = 0; index < count; index++) {
    if (kindOf[index] === symlink) targets.set(index, reader.sized().toString())
  }
  return { paths, targets }
}

function writeKindsAndModes(out: ByteWriter, entries: readonly PageEntry[]): void {
  let mode = 0
  for (const entry of entries) {
    const kind = kinds.indexOf(entry.kind)
    out.byte(entry.mode === mode ? kind : kind | newModeFlag)
    if (entry.mode !== mode) out.varint(entry.mode)
    mode = entry.mode
  }
}

function readKindsAndModes(
  reader: ByteReader,
  { count, kinds: kindOf, modes }: Pick<PageColumns, 'count' | 'kinds' | 'modes'>,
): void {
  let mode = 0
  for (let index = 0; index < count; index++) {
    const flags = reader.byte()
    const kind = flags & kindMask
    if (kinds[kind] === undefined) throw new RangeError(`unknown entry kind ${kind}`)
    if (flags & newModeFlag) mode = reader.varint()
    kindOf[index] = kind
    modes[index] = mode
  }
}

/** Blobs of one upload get ids in roughly path order, so most deltas take one byte. */
function writeBlobIds(out: ByteWriter, entries: readonly PageEntry[]): void {
  let previous = 0
  for (const entry of entries) {
    if (entry.kind !== 'file') continue
    out.zigzag(entry.blobId - previous)
    previous = entry.blobId
  }
}

function readBlobIds(
  reader: ByteReader,
  { count, kinds: kindOf, blobIds }: Pick<PageColumns, 'count' | 'kinds' | 'blobIds'>,
): void {
  const file = kinds.indexOf('file')
  let previous = 0
  for (let index = 0; index < count; index++) {
    if (kindOf[index] !== file) continue
    previous += reader.zigzag()
    blobIds[index] = previous
  }
}

function writePaths(out: ByteWriter, entries: readonly PageEntry[]): void {
  const paths = entries.map((entry) => Buffer.from(entry.path))
  const suffixes: Buffer[] = []
  let previous = Buffer.alloc(0)
  for (const path of paths) {
    const shared = sharedPrefix(previous, path)
    out.varint(shared)
    out.varint(path.length - shared)
    suffixes.push(path.subarray(shared))
    previous = path
  }
  for (const suffix of suffixes) out.raw(suffix)
}
