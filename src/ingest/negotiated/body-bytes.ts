/** A request body as bytes taken from its front. */
import type { Readable } from 'node:stream'
import { storeError, tooLarge } from '../../core/errors.ts'

export interface BodyBytes {
  /** Bytes that are there already. */
  heldBytes(): number
  /** Waits until `count` bytes are there, or the body has ended; answers how many are. */
  await(count: number): Promise<number>
  /** The next `count` bytes without taking them; there must be that many. */
  peek(count: number): Buffer
  /** The same, taken. */
  take(count: number): Buffer
}

/** What is taken is a slice of a piece that arrived, and is only copied when it lies in several: copying all of them costs
 *  as much memory again as the body has. */
export function openBodyBytes(body: Readable): BodyBytes {
  const iterator = body[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  const pieces: Buffer[] = []
  /** Of the first piece, what was taken. */
  let takenBytes = 0
  let heldBytes = 0
  let ended = false
  const front = (count: number): Buffer => {
    if (heldBytes < count)
      throw new RangeError(`${count} bytes were asked for, ${heldBytes} are there`)
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
          pieces.push(next.value)
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

/** The whole body. Errors: too_large. */
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

/** What reading past the end of a record means in a body. */
export function asMalformed(error: unknown): unknown {
  if (!(error instanceof RangeError)) return error
  return storeError(
    'invalid_request',
    `the body is malformed: ${error.message}`,
    { field: 'body' },
    { cause: error },
  )
}
