/** How a page of a manifest is stored: columns, so that they deflate well, with paths front-coded and blobs by their
 *  integer ids. Digests, sizes and CRCs are in the blob rows.
 *
 *  A version byte, then deflated: the number of entries; for each entry one byte of kind and flags, and its mode when it
 *  differs from the previous entry's; the blob ids of the files as zigzag deltas; for each entry how many bytes its path
 *  shares with the one before and how many follow; those bytes, one path after the other; the link targets. */
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import type { EntryKind, EntryPath } from '../core/entry.ts'
import { limits } from '../core/limits.ts'
import {
  type ByteReader,
  type ByteWriter,
  createByteReader,
  createByteWriter,
} from '../core/varint.ts'

/** An entry with the blob as the database knows it. */
export type PageEntry =
  | { kind: 'file'; path: EntryPath; mode: number; blobId: number }
  | { kind: 'directory'; path: EntryPath; mode: number }
  | { kind: 'symlink'; path: EntryPath; mode: number; target: string }

const version = 1
const kinds: readonly EntryKind[] = ['file', 'directory', 'symlink']
const kindMask = 3
const newModeFlag = 4
/** Far above what a full page of the longest paths and targets takes. */
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

/** Reads what `encodeManifestPage` wrote; anything else is a RangeError or an error of zlib. */
export function decodeManifestPage(bytes: Uint8Array): PageEntry[] {
  if (bytes[0] !== version) throw new RangeError(`unknown manifest page version ${bytes[0]}`)
  const plain = inflateRawSync(bytes.subarray(1), { maxOutputLength: plainBytesMax })
  const reader = createByteReader(plain)
  const count = reader.varint()
  const entries: Row[] = readKindsAndModes(reader, count)
  readBlobIds(reader, entries)
  readPaths(reader, entries)
  for (const entry of entries) {
    if (entry.kind === 'symlink') entry.target = reader.sized().toString()
  }
  return entries as PageEntry[]
}

/** An entry while its columns are being read. */
interface Row {
  kind: EntryKind
  path: string
  mode: number
  blobId?: number
  target?: string
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

function readKindsAndModes(reader: ByteReader, count: number): Row[] {
  const entries: Row[] = []
  let mode = 0
  for (let index = 0; index < count; index++) {
    const flags = reader.byte()
    const kind = kinds[flags & kindMask]
    if (kind === undefined) throw new RangeError(`unknown entry kind ${flags & kindMask}`)
    if (flags & newModeFlag) mode = reader.varint()
    entries.push({ kind, path: '', mode })
  }
  return entries
}

/** Blobs of one upload get their ids in about the order of the paths, so most deltas take one byte. */
function writeBlobIds(out: ByteWriter, entries: readonly PageEntry[]): void {
  let previous = 0
  for (const entry of entries) {
    if (entry.kind !== 'file') continue
    out.zigzag(entry.blobId - previous)
    previous = entry.blobId
  }
}

function readBlobIds(reader: ByteReader, entries: Row[]): void {
  let previous = 0
  for (const entry of entries) {
    if (entry.kind !== 'file') continue
    previous += reader.zigzag()
    entry.blobId = previous
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

function readPaths(reader: ByteReader, entries: Row[]): void {
  const lengths = entries.map(() => ({ shared: reader.varint(), own: reader.varint() }))
  // One buffer holds the current path: what is shared is already in its place.
  const path = Buffer.alloc(limits.pathBytesMax)
  let previousLength = 0
  entries.forEach((entry, index) => {
    const { shared, own } = lengths[index]!
    if (shared > previousLength || shared + own > path.length) {
      throw new RangeError('a path of the manifest page is longer than paths can be')
    }
    reader.raw(own).copy(path, shared)
    previousLength = shared + own
    entry.path = path.toString('utf8', 0, previousLength)
  })
}

function sharedPrefix(a: Buffer, b: Buffer): number {
  const most = Math.min(a.length, b.length)
  let shared = 0
  while (shared < most && a[shared] === b[shared]) shared += 1
  return shared
}
