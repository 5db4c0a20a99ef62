/** The stored form of blobs: encodes content as a joining stream, and decodes streams into
 *  content. A stream's codec (`core/bytes/copy.ts`) says how to read it; nothing here knows
 *  about packs. Decoding trusts nothing: a stream must end exactly where it is said to, after
 *  exactly the announced content. */
import assert from 'node:assert'
import { pipeline } from 'node:stream'
import { promisify } from 'node:util'
import {
  type ZlibOptions,
  constants,
  createInflateRaw,
  deflateRaw,
  inflateRaw,
  inflateRawSync,
} from 'node:zlib'
import { asBuffer } from '../../core/bytes/as-buffer.ts'
import { type CopyCodec, joiningEnd } from '../../core/bytes/copy.ts'
import { blobDamaged, errorCodeOf, type StoreError } from '../../core/errors.ts'
import { followerOf } from './follower.ts'
import { isIncompressible } from './incompressible.ts'
import { buildEngines, deflateInto, inflateJoiningInto } from './kept-zlib.ts'

const deflateOnPool = promisify(deflateRaw)
const inflateOnPool: (stream: Uint8Array, options: ZlibOptions) => Promise<Buffer> =
  promisify(inflateRaw)

/** RFC 1951 §3.2.4: a stored block has at most 65,535 bytes, and begins at a byte with 5 bytes of
 *  header. */
export const storedBlockBytesMax = 65_535
export const storedHeaderBytes = 5
/** Up to this size, handing the work to another thread costs more than the work itself: 44 against
 *  25 µs for 1 KiB. */
const handOverBytes = 4096
/** Size of the pieces that inflating yields. */
const inflatedPieceBytes = 256 * 1024

/** Encodes `bytes` as a joining stream at a level from 0 (stored) to 9 (shortest); empty for no
 *  bytes. Runs on the thread pool, except for the smallest inputs. The stream is never longer than
 *  stored blocks (5 bytes per 65,535), which level 0 makes, and any level of incompressible bytes.
 *  `bytes` must not change until it resolves. Holds the content twice, so it is for copies that fit
 *  in memory. */
export async function encodeJoining(bytes: Uint8Array, level: number): Promise<Buffer> {
  checkLevel(level)
  if (level === 0 || isIncompressible(bytes)) return storedBlocks(bytes)
  if (bytes.length <= handOverBytes) return encodeJoiningSync(bytes, level)
  return shorterStream(await deflateOnPool(bytes, joiningOptions(bytes, level)), bytes)
}

/** Like `encodeJoining`, but on the calling thread: for threads with nothing else to do. */
export function encodeJoiningSync(bytes: Uint8Array, level: number): Buffer {
  const target = Buffer.allocUnsafe(joiningRoom(bytes.length))
  return Buffer.from(target.subarray(0, encodeJoiningInto(target, bytes, level)))
}

/** Like `encodeJoiningSync`, but writes to the front of `target`, which must have `joiningRoom`
 *  bytes; returns the stream's length. */
export function encodeJoiningInto(target: Buffer, bytes: Uint8Array, level: number): number {
  checkLevel(level)
  if (bytes.length === 0) return 0
  if (level > 0 && !isIncompressible(bytes)) {
    const lengthBytes = deflateInto(target, bytes, zlibLevel(level))
    if (lengthBytes < storedBlocksBytes(bytes.length)) return lengthBytes
  }
  return writeStoredBlocks(target, bytes)
}

/** Builds what this thread encodes with at `level` (1 to 9), and decodes with. Node 20 aborts the
 *  whole process if a thread is terminated meanwhile (node_zlib.cc, "close before init"), so one
 *  that may be terminated at work does this before its work begins. */
export function prepareCodec(level: number): void {
  buildEngines(zlibLevel(level))
}

/** Upper bound on the bytes that encoding `sizeBytes` of content needs. For incompressible content,
 *  zlib emits stored blocks of at most 16 KiB (deflate.c, deflateBound: a 4096th and a 16384th
 *  more), which are then re-encoded at full size. */
export function joiningRoom(sizeBytes: number): number {
  return sizeBytes + Math.ceil(sizeBytes / 2048) + 64
}

function checkLevel(level: number): void {
  const isLevel = Number.isInteger(level) && level >= 0 && level <= 9
  assert(isLevel, `a deflate level must be from 0 to 9, got ${level}`)
}

/** On the blobs of npm packages, zlib's level 1 saves a tenth of level 2's time, which is a
 *  fiftieth of an upload's, and stores 3 % more. Not worth it, so level 1 means zlib's 2. */
function zlibLevel(level: number): number {
  return level === 1 ? 2 : level
}

function joiningOptions(bytes: Uint8Array, joiningLevel: number): ZlibOptions {
  const level = zlibLevel(joiningLevel)
  // zlib.h, deflate: if the output buffer fills up while flushing, the flush marker may be
  // repeated.
  return { level, finishFlush: constants.Z_SYNC_FLUSH, chunkSize: joiningRoom(bytes.length) }
}

function shorterStream(deflated: Buffer, bytes: Uint8Array): Buffer {
  return deflated.length < storedBlocksBytes(bytes.length) ? deflated : storedBlocks(bytes)
}

function storedBlocks(bytes: Uint8Array): Buffer {
  const stored = Buffer.allocUnsafe(storedBlocksBytes(bytes.length))
  writeStoredBlocks(stored, bytes)
  return stored
}

/** Length of `sizeBytes` bytes of content as deflate stored blocks. */
export function storedBlocksBytes(sizeBytes: number): number {
  return sizeBytes + storedHeaderBytes * Math.ceil(sizeBytes / storedBlockBytesMax)
}

/** RFC 1951 §3.2.4. No block is final, and each ends at a byte, so no flush is needed. Returns the
 *  length. */
function writeStoredBlocks(stream: Buffer, bytes: Uint8Array): number {
  let at = 0
  for (let start = 0; start < bytes.length; start += storedBlockBytesMax) {
    const block = bytes.subarray(start, start + storedBlockBytesMax)
    stream.writeUInt8(0, at)
    stream.writeUInt16LE(block.length, at + 1)
    stream.writeUInt16LE(block.length ^ 0xffff, at + 3)
    stream.set(block, at + storedHeaderBytes)
    at += storedHeaderBytes + block.length
  }
  return at
}

/** Decodes a copy in memory, on the calling thread: for copies of about 1 MiB; `inflateStream` is
 *  for larger ones. Allocates little more than `sizeBytes`. The result may share memory with
 *  `stored`.
 *  Errors: blob_damaged, when the stream does not decode to exactly `sizeBytes`. */
export function decodeCopy(codec: CopyCodec, stored: Uint8Array, sizeBytes: number): Buffer {
  if (codec === 'joining')
    return decodeJoining(Buffer.allocUnsafe(sizeBytes + 1), stored, sizeBytes)
  if (codec === 'deflate') return inflateAll(stored, sizeBytes)
  if (stored.length !== sizeBytes) throw wrongSize(sizeBytes, stored.length)
  return asBuffer(stored)
}

let scratch: Buffer = Buffer.alloc(0)

/** Like `decodeCopy`, but the result is valid only until the next call, since a joining copy is
 *  decoded to a buffer that all calls reuse: one buffer per copy would pile up outside the heap
 *  until the next collection.
 *  Errors: blob_damaged. */
export function decodeToScratch(codec: CopyCodec, stored: Uint8Array, sizeBytes: number): Buffer {
  if (codec !== 'joining') return decodeCopy(codec, stored, sizeBytes)
  if (scratch.length <= sizeBytes)
    scratch = Buffer.allocUnsafeSlow(Math.max(1024 * 1024, 2 * sizeBytes))
  return decodeJoining(scratch, stored, sizeBytes)
}

/** Decodes a joining copy to the front of `target`, which must have at least `sizeBytes` + 1 bytes.
 *  Errors: blob_damaged. */
export function decodeJoining(target: Buffer, stored: Uint8Array, sizeBytes: number): Buffer {
  const fault = inflateJoiningInto(target, stored, sizeBytes)
  switch (fault) {
    case undefined:
      return target.subarray(0, sizeBytes)
    case 'too long':
      throw wrongSize(sizeBytes, sizeBytes + 1)
    case 'too short':
      throw damaged(`decodes to less than ${sizeBytes} bytes`)
    case 'has more':
      throw damaged('has bytes after its end')
    case 'corrupt':
      throw damaged('does not inflate')
    case 'unable':
      return inflateFollowed(stored, sizeBytes)
  }
}

/** Decodes consecutive joining copies, `sizeBytes` of content in all, in one run on the thread
 *  pool. The caller must check the digest of the whole.
 *  Errors: blob_damaged. */
export async function decodeJoined(
  streams: readonly Uint8Array[],
  sizeBytes: number,
): Promise<Buffer> {
  const options = { maxOutputLength: sizeBytes + 1, chunkSize: sizeBytes + 64 }
  let content: Buffer
  try {
    content = await inflateOnPool(Buffer.concat([...streams, joiningEnd]), options)
  } catch (error) {
    throw asDamage(error)
  }
  if (content.length !== sizeBytes) throw wrongSize(sizeBytes, content.length)
  return content
}

function inflateFollowed(stream: Uint8Array, sizeBytes: number): Buffer {
  const follower = followerOf()
  const both = inflateAll(
    Buffer.concat([stream, follower.stream]),
    sizeBytes + follower.content.length,
  )
  if (!both.subarray(sizeBytes).equals(follower.content)) throw damaged('does not join')
  return both.subarray(0, sizeBytes)
}

function inflateAll(stream: Uint8Array, sizeBytes: number): Buffer {
  const options = {
    // One more than the content, to distinguish content that is too long from content that fits.
    maxOutputLength: sizeBytes + 1,
    // Spare room avoids a second buffer: zlib only stops at an output buffer that is not full.
    chunkSize: sizeBytes + 64,
    info: true,
  }
  try {
    // With `info` the result is not the Buffer that @types/node promises, but that and the engine.
    const answer = inflateRawSync(stream, options) as unknown as {
      buffer: Buffer
      engine: { bytesWritten: number }
    }
    if (answer.engine.bytesWritten !== stream.length) throw damaged('has bytes after its end')
    if (answer.buffer.length !== sizeBytes) throw wrongSize(sizeBytes, answer.buffer.length)
    return answer.buffer
  } catch (error) {
    throw asDamage(error)
  }
}

/** Yields the content of a copy of any size in pieces, inflated on the thread pool. Holds a few
 *  pieces of input and output. Errors of `source` pass through. Closes `source` when the reader
 *  stops early.
 *  Errors: blob_damaged, at the latest instead of the end, when the stream does not decode to
 *  exactly `sizeBytes`. */
export async function* inflateStream(
  codec: CopyCodec,
  source: AsyncIterable<Uint8Array>,
  sizeBytes: number,
): AsyncGenerator<Buffer, void, undefined> {
  let seenBytes = 0
  for await (const piece of codec === 'stored' ? source : inflatePieces(codec, source)) {
    seenBytes += piece.length
    if (seenBytes > sizeBytes) throw wrongSize(sizeBytes, seenBytes)
    if (piece.length > 0) yield asBuffer(piece)
  }
  if (seenBytes !== sizeBytes) throw wrongSize(sizeBytes, seenBytes)
}

async function* inflatePieces(
  codec: CopyCodec,
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Buffer, void, undefined> {
  let fedBytes = 0
  let fedAll = false
  async function* feed(): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const piece of source) {
      fedBytes += piece.length
      if (piece.length > 0) yield piece
    }
    if (codec === 'joining') {
      fedBytes += joiningEnd.length
      yield joiningEnd
    }
    fedAll = true
  }
  // A failure reaches the loop below through the stream.
  const inflate = pipeline(feed(), createInflateRaw({ chunkSize: inflatedPieceBytes }), () => {})
  try {
    for await (const piece of inflate) yield piece as Buffer
  } catch (error) {
    throw asDamage(error)
  }
  // zlib stops at the final block, whatever follows.
  if (!fedAll || inflate.bytesWritten !== fedBytes) throw damaged('has bytes after its end')
}

function damaged(what: string, options?: ErrorOptions): StoreError {
  return blobDamaged(`a stored stream ${what}`, [], options)
}

function wrongSize(expectedBytes: number, actualBytes: number): StoreError {
  return damaged(
    `decodes to the wrong length: expected ${expectedBytes} bytes, got ${actualBytes} or more`,
  )
}

/** zlib's error codes for bytes that are not a deflate stream, or one that is too long or too
 *  short. */
const zlibDamageCodes: ReadonlySet<string> = new Set([
  'Z_DATA_ERROR',
  'Z_BUF_ERROR',
  'ERR_BUFFER_TOO_LARGE',
])

function asDamage(error: unknown): unknown {
  if (!zlibDamageCodes.has(errorCodeOf(error))) return error
  return damaged(`does not inflate: ${(error as Error).message}`, { cause: error })
}
