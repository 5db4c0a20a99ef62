/** A request body as a buffer consumed from the front. */
import type { Readable } from 'node:stream'
import { asBuffer } from '../core/bytes/as-buffer.ts'
import { asError, errorCodeOf, invalidRequest, tooLarge } from '../core/errors.ts'

export interface BodyBytes {
  /** Bytes that have already arrived. */
  heldBytes(): number
  /** Waits until `count` bytes have arrived or the body has ended; returns how many there are. */
  await(count: number): Promise<number>
  /** Returns the next `count` bytes without consuming them; there must be that many. */
  peek(count: number): Buffer
  /** Like `peek`, but consumes the bytes. */
  take(count: number): Buffer
}

/** Results are slices of the pieces that arrived, and are copied only when they span several:
 *  copying everything would take as much memory again as the body. */
export function openBodyBytes(body: AsyncIterable<Uint8Array>): BodyBytes {
  const iterator = body[Symbol.asyncIterator]()
  const pieces: Buffer[] = []
  /** Bytes consumed from the first piece. */
  let takenBytes = 0
  let heldBytes = 0
  let ended = false
  const front = (count: number): Buffer => {
    if (heldBytes < count) throw new RangeError(`${count} bytes requested, ${heldBytes} available`)
    const first = pieces[0]
    if (first === undefined) return emptyBytes
    if (first.length - takenBytes >= count) return first.subarray(takenBytes, takenBytes + count)
    const joined = Buffer.allocUnsafe(count)
    let at = first.copy(joined, 0, takenBytes)
    for (let index = 1; at < count; index++) at += pieces[index]!.copy(joined, at, 0, count - at)
    return joined
  }
  return {
    heldBytes: () => heldBytes,
    await: async (count) => {
      while (heldBytes < count && !ended) {
        const next = await iterator.next()
        if (next.done === true) ended = true
        else if (next.value.length > 0) {
          pieces.push(asBuffer(next.value))
          heldBytes += next.value.length
        }
      }
      return heldBytes
    },
    peek: front,
    take: (count) => {
      const taken = front(count)
      heldBytes -= count
      takenBytes += count
      while (pieces.length > 0 && takenBytes >= pieces[0]!.length)
        takenBytes -= pieces.shift()!.length
      return taken
    },
  }
}

const emptyBytes = Buffer.alloc(0)

/** Reads the whole body. Errors: too_large. */
export async function readWhole(body: Readable, bytesMax: number): Promise<Buffer> {
  const pieces: Buffer[] = []
  let bytes = 0
  for await (const piece of body) {
    pieces.push(piece as Buffer)
    bytes += (piece as Buffer).length
    if (bytes > bytesMax) {
      const reason = `the list has more than ${bytesMax} bytes; send it in several requests`
      throw tooLarge('bytes of one list', bytesMax, reason)
    }
  }
  return Buffer.concat(pieces)
}

/** Translates an error from reading past the end of a record, or of zlib, to invalid_request. */
export function asMalformed(error: unknown): unknown {
  const { message } = asError(error)
  const isFault = error instanceof RangeError || errorCodeOf(error).startsWith('Z_')
  return isFault
    ? invalidRequest('body', `the body is malformed: ${message}`, { cause: error })
    : error
}
