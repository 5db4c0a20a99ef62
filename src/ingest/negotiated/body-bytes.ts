/** A request body as bytes taken from its front. */
import type { Readable } from 'node:stream'
import { storeError } from '../../core/errors.ts'

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

export function openBodyBytes(body: Readable): BodyBytes {
  const iterator = body[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  let held: Buffer = Buffer.alloc(0)
  let waiting: Buffer[] = []
  let waitingBytes = 0
  let ended = false
  const gather = (): void => {
    if (waiting.length === 0) return
    held = Buffer.concat([held, ...waiting])
    waiting = []
    waitingBytes = 0
  }
  return {
    heldBytes: () => held.length + waitingBytes,
    await: async (count) => {
      while (held.length + waitingBytes < count && !ended) {
        const next = await iterator.next()
        if (next.done === true) ended = true
        else {
          waiting.push(next.value)
          waitingBytes += next.value.length
        }
      }
      return held.length + waitingBytes
    },
    peek: (count) => {
      if (held.length < count) gather()
      return held.subarray(0, count)
    },
    take: (count) => {
      if (held.length < count) gather()
      if (held.length < count)
        throw new RangeError(`${count} bytes were asked for, ${held.length} are there`)
      const taken = held.subarray(0, count)
      held = held.subarray(count)
      return taken
    },
  }
}

/** The whole body. Errors: too_large. */
export async function readWhole(body: Readable, bytesMax: number): Promise<Buffer> {
  const pieces: Buffer[] = []
  let bytes = 0
  for await (const piece of body) {
    pieces.push(piece as Buffer)
    bytes += (piece as Buffer).length
    if (bytes > bytesMax) {
      throw storeError(
        'too_large',
        `the list has more than ${bytesMax} bytes; send it in several requests`,
        {
          limit: 'bytes of one list',
          limitValue: bytesMax,
          setting: null,
        },
      )
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
