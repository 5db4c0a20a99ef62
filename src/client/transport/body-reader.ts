/** An answer's body as bytes taken from its front. A body that ends early is a network failure. */
import type { Answer } from './answer.ts'
import { NetworkError } from './network-error.ts'

export interface BodyReader {
  /** The next `count` bytes. Errors: NetworkError. */
  take(count: number): Promise<Buffer>
  /** The next bytes, as many as `target` has room for. Errors: NetworkError. */
  takeInto(target: Uint8Array): Promise<void>
  /** At least one and at most `count` of the next bytes, without taking them. Errors: NetworkError. */
  peek(count: number): Promise<Buffer>
  /** The next `count` bytes in pieces. */
  stream(count: number): AsyncGenerator<Buffer, void, undefined>
  /** Bytes taken so far. */
  readonly position: number
}

/** What `read` makes of the body, of which it need not take the end. Then the connection is free for the next request; it is
 *  dropped when `read` fails, or when more comes than it took. Errors: those of `read`. */
export async function readBody<Result>(
  answer: Answer,
  read: (body: BodyReader) => Promise<Result>,
): Promise<Result> {
  const pieces = answer.chunks()
  const drop = async (): Promise<void> => {
    await pieces.return().catch(() => {})
    answer.discard()
  }
  try {
    const result = await read(readerOf(pieces))
    // The end of a body may come after its last byte. While it is not read, the request goes on and keeps a program alive.
    // Nobody waits for it: all that was wanted is there, whatever becomes of the connection.
    pieces.next().then(
      async ({ done }) => done === true || (await drop()),
      () => {},
    )
    return result
  } catch (error) {
    await drop()
    throw error
  }
}

function readerOf(pieces: AsyncGenerator<Buffer, void, undefined>): BodyReader {
  let held: Buffer = Buffer.alloc(0)
  let position = 0
  const next = async (): Promise<Buffer> => {
    const { value, done } = await pieces.next()
    if (done === true) throw new NetworkError('the answer ends too early')
    return value
  }
  const fill = async (count: number): Promise<void> => {
    if (held.length >= count) return
    const gathered = [held]
    let bytes = held.length
    while (bytes < count) {
      const piece = await next()
      gathered.push(piece)
      bytes += piece.length
    }
    held = Buffer.concat(gathered)
  }
  return {
    take: async (count) => {
      await fill(count)
      const taken = held.subarray(0, count)
      held = held.subarray(count)
      position += count
      return taken
    },
    takeInto: async (target) => {
      for (let at = 0; at < target.length;) {
        if (held.length === 0) held = await next()
        const piece = held.subarray(0, target.length - at)
        target.set(piece, at)
        held = held.subarray(piece.length)
        at += piece.length
      }
      position += target.length
    },
    peek: async (count) => {
      await fill(1)
      // What is needed of a short record is there, or comes with the next piece; the end of a body is short.
      while (held.length < count) {
        const { value, done } = await pieces.next()
        if (done === true) break
        held = Buffer.concat([held, value])
      }
      return held.subarray(0, count)
    },
    stream: async function* (count) {
      let left = count
      while (left > 0) {
        if (held.length === 0) held = await next()
        const piece = held.subarray(0, left)
        held = held.subarray(piece.length)
        position += piece.length
        left -= piece.length
        yield piece
      }
    },
    get position() {
      return position
    },
  }
}
