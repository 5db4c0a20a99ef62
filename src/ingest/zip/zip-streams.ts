/** Stores the members of an uploaded zip as they are: each deflate stream (or stored member) is
 *  hashed, verified by inflating if it is new, and appended to a pack unchanged. A known stream is
 *  not inflated again: its row has the facts that inflating would yield. */
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import { type InputType, type ZlibOptions, createInflateRaw, inflateRaw } from 'node:zlib'
import pLimit from 'p-limit'
import {
  type BlobFacts,
  foreignCodecOf,
  type StreamKey,
  type StreamName,
  streamKey,
} from '../../core/bytes/copy.ts'
import { crc32 } from '../../core/bytes/crc32.ts'
import { type Digest, createDigestHasher, digestOf } from '../../core/bytes/digest.ts'
import { errorCodeOf } from '../../core/errors.ts'
import { checksOf, createCheckWriter } from '../../packs/format/page-checks.ts'
import type { BlobWriter } from '../blob-writer.ts'
import type { StagedReader } from '../staging/staged-reader.ts'
import { ZipOpaque } from './zip-opaque.ts'

/** The place of a member's data, with the facts declared in its headers. */
export interface MemberData {
  name: string
  method: number
  offset: number
  storedBytes: number
  sizeBytes: number
  crc32: number
}

export interface VerifiedStream {
  streamDigest: Digest
  blob: BlobFacts
}

/** Larger members, stored or inflated, are streamed instead of held in memory. */
export const memberInMemoryMax = 4 * 1024 * 1024

/** Inflating runs on libuv's four threads; an engine that waits for one holds 40 KB. */
const inflateConcurrency = 4

const inflateAsync = promisify(inflateRaw) as unknown as (
  bytes: InputType,
  options: ZlibOptions & { info: true },
) => Promise<{ buffer: Buffer; engine: { bytesWritten: number } }>

/** Stores or recognizes a batch of small members, whose `bytes` are in memory, with one lookup.
 *  Returns results in order. */
export async function storeMembers(
  writer: BlobWriter,
  members: { data: MemberData; bytes: Buffer }[],
): Promise<VerifiedStream[]> {
  const names = members.map(({ data, bytes }): StreamName => {
    return { streamDigest: digestOf(bytes), codec: foreignCodecOf(data.method) }
  })
  const known = await writer.knownStreams(names)
  const fresh = new Map<StreamKey, { name: StreamName; data: MemberData; bytes: Buffer }>()
  for (const [index, member] of members.entries()) {
    const name = names[index]!
    if (!known.has(streamKey(name))) fresh.set(streamKey(name), { name, ...member })
  }
  const limit = pLimit(inflateConcurrency)
  const contents = await Promise.all(
    [...fresh.values()].map(({ data, bytes }) => limit(() => inflateMember(data, bytes))),
  )
  let position = 0
  for (const [key, { name, data, bytes }] of fresh) {
    const content = contents[position++]!
    checkContent(data, content.length, crc32(content))
    const blob = { digest: digestOf(content), sizeBytes: content.length, crc32: data.crc32 }
    await writer.addStream(
      { blob, ...name, lengthBytes: bytes.length, checks: checksOf(bytes) },
      bytes,
    )
    known.set(key, blob)
  }
  return members.map(({ data }, index) => recognized(data, names[index]!, known))
}

/** Stores a member of any size, read from staging in pieces: once to hash, once to inflate, once to
 *  store. */
export async function storeLargeMember(
  writer: BlobWriter,
  reader: StagedReader,
  data: MemberData,
): Promise<VerifiedStream> {
  const hasher = createDigestHasher()
  const checks = createCheckWriter()
  for await (const piece of reader.stream(data.offset, data.storedBytes)) {
    hasher.update(piece)
    checks.write(piece)
  }
  const name: StreamName = { streamDigest: hasher.digest(), codec: foreignCodecOf(data.method) }
  const known = await writer.knownStreams([name])
  if (!known.has(streamKey(name))) {
    const blob = await inspectContent(reader, data)
    await writer.addStream(
      { blob, ...name, lengthBytes: data.storedBytes, checks: checks.finish() },
      reader.stream(data.offset, data.storedBytes),
    )
    known.set(streamKey(name), blob)
  }
  return recognized(data, name, known)
}

function recognized(
  data: MemberData,
  name: StreamName,
  known: Map<StreamKey, BlobFacts>,
): VerifiedStream {
  const blob = known.get(streamKey(name))!
  checkContent(data, blob.sizeBytes, blob.crc32)
  return { streamDigest: name.streamDigest, blob }
}

export function checkContent(data: MemberData, sizeBytes: number, crc: number): void {
  if (sizeBytes !== data.sizeBytes) {
    throw new ZipOpaque(`${data.name} holds ${sizeBytes} bytes, its header says ${data.sizeBytes}`)
  }
  if (crc !== data.crc32) throw new ZipOpaque(`the CRC of ${data.name} does not match its content`)
}

/** Returns the member's content. Inflating stops one byte past the declared size. Throws
 *  ZipOpaque. */
export async function inflateMember(data: MemberData, bytes: Buffer): Promise<Buffer> {
  if (data.method === 0) return bytes
  try {
    const { buffer, engine } = await inflateAsync(bytes, {
      info: true,
      maxOutputLength: data.sizeBytes + 1,
      // In one piece: zlib's own pieces of 16 KiB would be joined to a copy.
      chunkSize: data.sizeBytes + 64,
    })
    if (engine.bytesWritten !== bytes.length) {
      throw new ZipOpaque(`${data.name} has bytes after its deflate stream`)
    }
    return buffer
  } catch (error) {
    throw opaqueFrom(error, data)
  }
}

async function inspectContent(reader: StagedReader, data: MemberData): Promise<BlobFacts> {
  const hasher = createDigestHasher()
  for await (const piece of memberContent(reader, data)) hasher.update(piece)
  return { digest: hasher.digest(), sizeBytes: data.sizeBytes, crc32: data.crc32 }
}

/** Yields the member's content in pieces, checked against its declared size and CRC. Throws
 *  ZipOpaque. */
export async function* memberContent(
  reader: StagedReader,
  data: MemberData,
): AsyncGenerator<Buffer> {
  let crc = 0
  let sizeBytes = 0
  const source =
    data.method === 0 ? reader.stream(data.offset, data.storedBytes) : inflated(reader, data)
  for await (const piece of source) {
    crc = crc32(piece, crc)
    sizeBytes += piece.length
    if (sizeBytes > data.sizeBytes) checkContent(data, sizeBytes, crc)
    yield piece
  }
  checkContent(data, sizeBytes, crc)
}

async function* inflated(reader: StagedReader, data: MemberData): AsyncGenerator<Buffer> {
  const inflater = createInflateRaw({ chunkSize: 256 * 1024 })
  const feeding = pipeline(reader.stream(data.offset, data.storedBytes), inflater)
  // A failing read ends the inflater too, and is handled below.
  feeding.catch(() => {})
  try {
    for await (const piece of inflater) yield piece as Buffer
    if (inflater.bytesWritten !== data.storedBytes) {
      throw new ZipOpaque(`${data.name} has bytes after its deflate stream`)
    }
  } catch (error) {
    throw opaqueFrom(error, data)
  } finally {
    inflater.destroy()
    // Once this is settled, nothing reads from staging any more.
    await feeding.catch(() => {})
  }
}

/** zlib's errors mean that the zip is unusual; any other (a failing disk) is not about the zip. */
function opaqueFrom(error: unknown, data: MemberData): unknown {
  const code = errorCodeOf(error)
  if (code === 'ERR_BUFFER_TOO_LARGE') {
    return new ZipOpaque(`${data.name} holds more than the ${data.sizeBytes} bytes its header says`)
  }
  if (code.startsWith('Z_')) return new ZipOpaque(`the deflate stream of ${data.name} is broken`)
  return error
}
