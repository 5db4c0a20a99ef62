/** The output of a pack writer: the members on their way to the store, and the central directory
 *  that grows meanwhile. */
import { limits } from '../../core/limits.ts'
import type { ZipHeaderFacts } from '../../core/zip/zip-encoder.ts'
import { centralHeaderBytesMax, encodeCentralHeader } from './pack-records.ts'
import type { PackSink } from '../pack-store.ts'

/** Gathers small writes into large ones. */
export interface PackOutput {
  /** Length of everything written so far. */
  readonly length: number
  /** Bytes that fit before the next flush. */
  room(): number
  /** Reserves space, for which there must be room, and returns a function that fills it. That
   *  function must be called before the next flush. */
  leave(lengthBytes: number): (encode: (buffer: Buffer, at: number) => void) => void
  /** The caller may reuse `bytes` when it resolves. */
  put(bytes: Uint8Array): Promise<void>
  flush(): Promise<void>
}

export function createPackOutput(sink: PackSink): PackOutput {
  const buffer = Buffer.allocUnsafeSlow(limits.packWriteBytes)
  let buffered = 0
  let length = 0
  const flush = async (): Promise<void> => {
    if (buffered === 0) return
    await sink.write(buffer.subarray(0, buffered))
    buffered = 0
  }
  return {
    get length() {
      return length
    },
    room: () => buffer.length - buffered,
    leave: (lengthBytes) => {
      const at = buffered
      buffered += lengthBytes
      length += lengthBytes
      return (encode) => {
        encode(buffer, at)
      }
    },
    put: async (bytes) => {
      if (bytes.length > buffer.length - buffered) await flush()
      if (bytes.length > buffer.length) await sink.write(bytes)
      else {
        buffer.set(bytes, buffered)
        buffered += bytes.length
      }
      length += bytes.length
    },
    flush,
  }
}

/** The central directory of a pack being filled. Kept as bytes, because a million objects would
 *  take too much memory, and in pages, because growing a single buffer would hold it twice. */
export interface PackDirectory {
  /** Length in bytes. */
  readonly length: number
  readonly memberCount: number
  add(member: ZipHeaderFacts, localOffset: number): void
  pages(): Iterable<Buffer>
}

const directoryPageBytes = 128 * 1024

export function createPackDirectory(): PackDirectory {
  const full: Buffer[] = []
  let page = Buffer.allocUnsafeSlow(directoryPageBytes)
  let pageBytes = 0
  let length = 0
  let memberCount = 0
  return {
    get length() {
      return length
    },
    get memberCount() {
      return memberCount
    },
    add: (member, localOffset) => {
      if (directoryPageBytes - pageBytes < centralHeaderBytesMax) {
        full.push(page.subarray(0, pageBytes))
        page = Buffer.allocUnsafeSlow(directoryPageBytes)
        pageBytes = 0
      }
      const end = encodeCentralHeader(page, pageBytes, member, localOffset)
      length += end - pageBytes
      pageBytes = end
      memberCount++
    },
    pages: () => [...full, page.subarray(0, pageBytes)],
  }
}
