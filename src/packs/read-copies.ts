/** Recovers the copies of a pack without the metadata: finds them in the directory or, when that is
 *  damaged, through the local headers as far as they are intact, and identifies each copy from its
 *  bytes. */
import { foreignCodecOf, joiningEnd, type NewCopy } from '../core/bytes/copy.ts'
import { crc32 } from '../core/bytes/crc32.ts'
import { digestOf } from '../core/bytes/digest.ts'
import { hasCode } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import { groupsOf, pagesOf } from '../core/slices.ts'
import { decodeCopy } from './codec/codec.ts'
import { checksOf } from './format/page-checks.ts'
import {
  type PackCopyEntry,
  type PackMemberEntry,
  listCopies,
  readPackDirectory,
} from './format/pack-directory.ts'
import { decodeLocalHeader, localHeaderBytesMax } from './format/pack-records.ts'
import { memberNamePrefix } from './format/member-names.ts'
import { inspectStream } from './inspect-stream.ts'
import type { PackName, PackStore } from './pack-store.ts'
import { readOr } from './read-neighbours.ts'

type Store = Pick<PackStore, 'read'>

export interface PackCopies {
  copies: PackCopyEntry[]
  /** False when the directory or a list was damaged, so that copies may be missing. */
  isComplete: boolean
}

/** No writer puts more than a few more than `packCopiesMax` into a pack. A pack with more is not
 *  ours, and would fill the heap. */
const copiesMax = 4 * limits.packCopiesMax

/** Returns the copies of a pack of `sizeBytes`, in order; none if there are too many for a pack.
 *  Holds about 200 bytes per copy.
 *  Errors: not_found. */
export async function readCopies(
  store: Store,
  name: PackName,
  sizeBytes: number,
): Promise<PackCopies> {
  try {
    const copies = await collect(readPackDirectory(store, name, sizeBytes))
    return { copies, isComplete: copies.length > 0 }
  } catch (error) {
    if (!hasCode(error, 'blob_damaged')) throw error
    const copies = await collect(salvageCopies(store, name, sizeBytes))
    return { copies, isComplete: false }
  }
}

async function collect(found: AsyncIterable<PackCopyEntry>): Promise<PackCopyEntry[]> {
  const copies: PackCopyEntry[] = []
  for await (const copy of found) if (copies.push(copy) > copiesMax) return []
  return copies
}

async function* salvageCopies(
  store: Store,
  name: PackName,
  sizeBytes: number,
): AsyncGenerator<PackCopyEntry, void, undefined> {
  const members = walkHeaders(store, name, sizeBytes)
  // Copies whose list is damaged can no longer be told apart.
  for await (const { copies } of listCopies(readable(store), name, members))
    if (copies !== undefined) yield* copies
}

/** A store that returns no bytes for what the medium cannot read; an empty list is a damaged
 *  one. */
function readable(store: Store): Store {
  return {
    read: async (name, offset, lengthBytes) =>
      (await readOr(store, name, { offset, lengthBytes })) ?? Buffer.alloc(0),
  }
}

async function* walkHeaders(
  store: Store,
  name: PackName,
  sizeBytes: number,
): AsyncGenerator<PackMemberEntry, void, undefined> {
  for (let at = 0; at < sizeBytes;) {
    const lengthBytes = Math.min(localHeaderBytesMax, sizeBytes - at)
    const header = await readOr(store, name, { offset: at, lengthBytes })
    const decoded = header && decodeLocalHeader(header)
    if (decoded === undefined) return
    const { member, end } = decoded
    const offset = at + end
    if (offset + member.storedBytes > sizeBytes) return
    yield { ...member, offset }
    at = offset + member.storedBytes
  }
}

/** Upper bound on a joining stream: it holds a chunk, or a file below the chunk threshold, deflated
 *  or as stored blocks. */
const joiningBytesMax = limits.chunkThresholdBytes * 4 + 1024
const inMemoryBytesMax = 4 * limits.checkPageBytes

/** Identifies copies of a pack, given in the order of their offsets; yields the readings of each
 *  (`recognizeCopy`), in that order. Small neighbours are read together: each read of a bucket is a
 *  request. */
export async function* recognizeCopies(
  store: Store,
  name: PackName,
  entries: readonly PackCopyEntry[],
): AsyncGenerator<NewCopy[], void, undefined> {
  for (const group of groupsOf(entries, fits)) {
    const near = group.length > 1 ? await readTogether(store, name, group) : store
    for (const entry of group) yield await recognizeCopy(near, name, entry)
  }
}

function fits(group: readonly [PackCopyEntry, ...PackCopyEntry[]], entry: PackCopyEntry): boolean {
  const [first] = group
  return (
    isSmall(first) &&
    isSmall(entry) &&
    endOf(entry) - first.offset <= limits.readWindowBytes &&
    entry.offset >= endOf(group.at(-1)!)
  )
}

function endOf({ offset, lengthBytes }: PackCopyEntry): number {
  return offset + lengthBytes
}

/** Returns a store that reads only within the group. */
async function readTogether(
  store: Store,
  name: PackName,
  group: readonly [PackCopyEntry, ...PackCopyEntry[]],
): Promise<Store> {
  const begin = group[0].offset
  try {
    const bytes = await store.read(name, begin, endOf(group.at(-1)!) - begin)
    return {
      read: async (_, offset, lengthBytes) =>
        bytes.subarray(offset - begin, offset - begin + lengthBytes),
    }
  } catch (error) {
    if (!hasCode(error, 'blob_damaged')) throw error
    // One bad sector is no reason to give up its neighbours.
    return store
  }
}

/** Identifies a copy by its content. None when it is damaged: it does not decode to the size in the
 *  pack, or does not match its name. Two for empty content: every deflate program stores it as the
 *  two bytes that end a joining stream, so it is our own stream or a foreign one. */
async function recognizeCopy(
  store: Store,
  name: PackName,
  entry: PackCopyEntry,
): Promise<NewCopy[]> {
  try {
    const copy = await (isSmall(entry) ? recognizeSmall : recognizeLarge)(store, name, entry)
    const { digest, crc32: actual } = copy.blob
    const isNamed = entry.name.startsWith(memberNamePrefix(digest))
    if (!isNamed || actual !== (entry.crc32 ?? actual)) return []
    const isEither = copy.blob.sizeBytes === 0 && copy.codec === 'joining' && entry.crc32 !== null
    return isEither ? [copy, { ...copy, ...foreignEmptyStream }] : [copy]
  } catch (error) {
    if (hasCode(error, 'blob_damaged')) return []
    throw error
  }
}

function isSmall({ lengthBytes, sizeBytes }: PackCopyEntry): boolean {
  return lengthBytes <= inMemoryBytesMax && sizeBytes <= 4 * inMemoryBytesMax
}

const foreignEmptyStream = {
  streamDigest: digestOf(joiningEnd),
  codec: 'deflate',
  lengthBytes: joiningEnd.length,
  checks: checksOf(joiningEnd),
} as const

/** Errors: blob_damaged. */
async function recognizeSmall(
  store: Store,
  name: PackName,
  entry: PackCopyEntry,
): Promise<NewCopy> {
  const data = await store.read(name, entry.offset, entry.lengthBytes)
  const foreign = foreignCodecOf(entry.method)
  const isJoined = entry.crc32 === null
  const content = decodeCopy(isJoined ? 'joining' : foreign, data, entry.sizeBytes)
  const hasEnd = !isJoined && foreign === 'deflate' && isJoining(data, content)
  const stream = hasEnd ? data.subarray(0, data.length - joiningEnd.length) : data
  return {
    blob: { digest: digestOf(content), sizeBytes: content.length, crc32: crc32(content) },
    streamDigest: digestOf(stream),
    codec: isJoined || hasEnd ? 'joining' : foreign,
    offset: entry.offset,
    lengthBytes: stream.length,
    checks: checksOf(stream),
  }
}

/** A stream is joining when another can follow it. Only our own final block can be cut from its
 *  end. */
function isJoining(data: Buffer, content: Buffer): boolean {
  const end = data.length - joiningEnd.length
  if (end < 0 || data.length > joiningBytesMax || !data.subarray(end).equals(joiningEnd))
    return false
  try {
    return decodeCopy('joining', data.subarray(0, end), content.length).equals(content)
  } catch (error) {
    if (hasCode(error, 'blob_damaged')) return false
    throw error
  }
}

/** Errors: blob_damaged. */
async function recognizeLarge(
  store: Store,
  name: PackName,
  { offset, lengthBytes, sizeBytes, method }: PackCopyEntry,
): Promise<NewCopy> {
  const codec = foreignCodecOf(method)
  const stream = async function* (): AsyncGenerator<Buffer> {
    for (const page of pagesOf(lengthBytes, limits.checkPageBytes))
      yield await store.read(name, offset + page.at, page.lengthBytes)
  }
  const found = await inspectStream(codec, stream(), sizeBytes)
  return { ...found, codec, offset, lengthBytes }
}
