/** Reads copies back from a pack and verifies them: the bytes hash to the stream's digest, the
 *  stream is complete and holds exactly the content named by its blob. Neighbours are read
 *  together, in the order of their offsets. Hashing and inflating happen on the caller's thread,
 *  one copy (or piece of a large one) at a time. */
import { joiningEnd } from '../../core/bytes/copy.ts'
import { crc32 } from '../../core/bytes/crc32.ts'
import { digestOf } from '../../core/bytes/digest.ts'
import { hasCode } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { groupsOf, pagesOf } from '../../core/slices.ts'
import type { PackedCopy } from '../../metadata/metadata.ts'
import { decodeToScratch } from '../../packs/codec/codec.ts'
import { checksOf } from '../../packs/format/page-checks.ts'
import { inspectStream } from '../../packs/inspect-stream.ts'
import type { PackName, PackStore } from '../../packs/pack-store.ts'
import { readOr } from '../../packs/read-neighbours.ts'
import type { Pace } from '../collect/compact.ts'

export interface Verification {
  copy: PackedCopy
  /** What is wrong with the copy; null when it is sound. */
  fault: string | null
  /** False when no final block follows a joining stream. One follows unless the stream shares
   *  its member. */
  isEnded: boolean
}

export interface VerifyOptions {
  packs: Pick<PackStore, 'read'>
  packName: PackName
  pace: Pace
  signal?: AbortSignal | undefined
}

/** Content of at most this many bytes is inflated in memory. */
const inMemoryBytesMax = 4 * limits.scrubReadBytes

const empty = Buffer.alloc(0)
/** Memory to read the next group into, also that of another page or pack; empty while a group is in
 *  use. Fresh buffers are freed only when the collector finds out. */
let spareWindow: Buffer = empty

/** Verifies copies of one pack, given by ascending offset, in that order. Errors of the store
 *  other than absence and damage are thrown. */
export async function* verifyCopies(
  copies: readonly PackedCopy[],
  options: VerifyOptions,
): AsyncGenerator<Verification> {
  for (const group of groupsOf(copies, fits)) {
    options.signal?.throwIfAborted()
    const [first] = group
    if (isLarge(first)) {
      yield { copy: first, fault: await faultOfLarge(first, options), isEnded: true }
      continue
    }
    const last = group.at(-1)!
    const lengthBytes = endOf(last) - first.offset
    const isEnough = spareWindow.length >= lengthBytes
    const window = isEnough ? spareWindow : Buffer.allocUnsafeSlow(lengthBytes)
    spareWindow = empty
    const bytes = await read({ ...options, into: window }, first.offset, lengthBytes)
    for (const copy of group) {
      const stored =
        bytes === undefined
          ? // One bad sector is no reason to give up its neighbours.
            await read(options, copy.offset, endOf(copy) - copy.offset)
          : bytes.subarray(copy.offset - first.offset, endOf(copy) - first.offset)
      if (stored === undefined) yield { copy, fault: unreadable, isEnded: true }
      else yield { copy, fault: faultOf(copy, stored), isEnded: isEnded(copy, stored) }
    }
    spareWindow = window
  }
}

const unreadable = 'it cannot be read'

/** Includes the final block of a joining stream, which is not part of the stream but has to
 *  follow it. */
function endOf({ codec, offset, lengthBytes }: PackedCopy): number {
  return offset + lengthBytes + (codec === 'joining' ? joiningEnd.length : 0)
}

function isEnded({ codec, lengthBytes }: PackedCopy, stored: Buffer): boolean {
  return codec !== 'joining' || stored.subarray(lengthBytes).equals(joiningEnd)
}

function isLarge({ lengthBytes, blob }: PackedCopy): boolean {
  return lengthBytes > limits.scrubReadBytes || blob.sizeBytes > inMemoryBytesMax
}

/** Whether one read covers them all, including gaps that are cheaper to read than to skip; a large
 *  copy is a group of its own. */
function fits(group: readonly [PackedCopy, ...PackedCopy[]], copy: PackedCopy): boolean {
  return (
    !isLarge(copy) &&
    !isLarge(group[0]) &&
    endOf(copy) - group[0].offset <= limits.scrubReadBytes &&
    copy.offset - endOf(group.at(-1)!) <= limits.readGapBytes
  )
}

async function read(
  { packs, packName, pace, into }: VerifyOptions & { into?: Buffer },
  offset: number,
  lengthBytes: number,
): Promise<Buffer | undefined> {
  await pace(lengthBytes)
  return await readOr(packs, packName, { offset, lengthBytes, into })
}

function faultOf(copy: PackedCopy, stored: Buffer): string | null {
  const stream = stored.subarray(0, copy.lengthBytes)
  if (digestOf(stream) !== copy.streamDigest) return 'its bytes have changed'
  if (!checksOf(stream).equals(copy.checks)) return 'its checksums do not match its bytes'
  try {
    const found = decodeToScratch(copy.codec, stream, copy.blob.sizeBytes)
    if (digestOf(found) === copy.blob.digest && crc32(found) === copy.blob.crc32) return null
    return 'it holds different content'
  } catch (error) {
    if (hasCode(error, 'blob_damaged')) return error.message
    throw error
  }
}

async function faultOfLarge(copy: PackedCopy, options: VerifyOptions): Promise<string | null> {
  const { blob, codec, lengthBytes, streamDigest } = copy
  const stream = async function* (): AsyncGenerator<Buffer> {
    for (const page of pagesOf(lengthBytes, limits.checkPageBytes)) {
      options.signal?.throwIfAborted()
      const bytes = await read(options, copy.offset + page.at, page.lengthBytes)
      if (bytes === undefined) throw new Unreadable()
      yield bytes
    }
  }
  try {
    const found = await inspectStream(codec, stream(), blob.sizeBytes)
    if (found.streamDigest !== streamDigest) return 'its bytes have changed'
    if (Buffer.compare(found.checks, copy.checks) !== 0)
      return 'its checksums do not match its bytes'
    const isSame = found.blob.digest === blob.digest && found.blob.crc32 === blob.crc32
    return isSame ? null : 'it holds different content'
  } catch (error) {
    if (error instanceof Unreadable) return unreadable
    if (hasCode(error, 'blob_damaged')) return error.message
    throw error
  }
}

class Unreadable extends Error {}
