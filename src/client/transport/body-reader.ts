/** Reads a response body from its front, a number of bytes at a time. A body that ends early is
 *  a network failure. */
import type { Answer } from './answer.ts'
import { NetworkError } from './network-error.ts'
import type { ServerAddress } from './agents.ts'
import { decoded } from './foreign-answer.ts'

export interface BodyReader {
  /** The next `count` bytes. Errors: NetworkError. */
  take(count: number): Promise<Buffer>
  /** The next bytes, as many as `target` has room for. Errors: NetworkError. */
  takeInto(target: Uint8Array): Promise<void>
  /** Up to `count` of the next bytes, without taking them; fewer only at the end of the body, at
   *  least one. Errors: NetworkError. */
  peek(count: number): Promise<Buffer>
  /** The next `count` bytes in pieces. */
  stream(count: number): AsyncGenerator<Buffer, void, undefined>
}

/** Returns the result of `read`, which need not read to the end of the body. The connection is
 *  reusable afterwards, but is closed when `read` fails or when the body has more than it took.
 *  Errors: those of `read`, and those of `decoded`. */
export async function readBody<Result>(
  server: ServerAddress,
  answer: Answer,
  read: (body: BodyReader) => Promise<Result>,
): Promise<Result> {
  const pieces = answer.chunks()
  const drop = async (): Promise<void> => {
    await pieces.return().catch(() => {})
    answer.discard()
  }
  try {
    const result = await decoded(server, async () => await read(readerOf(server, pieces)))
    // The end of a body can arrive after its last byte. Until it is read, the request stays open
    // and keeps the program alive. Nobody waits for it: everything wanted has arrived, whatever
    // happens to the connection.
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

function readerOf(
  { url }: ServerAddress,
  pieces: AsyncGenerator<Buffer, void, undefined>,
): BodyReader {
  let held: Buffer = Buffer.alloc(0)
  /** Reads until `count` bytes are held, or to the end of the body. Errors: NetworkError, when
   *  fewer than `least` are held then. */
  const fill = async (count: number, least = count): Promise<void> => {
    if (held.length >= count) return
    const gathered = held.length > 0 ? [held] : []
    let bytes = held.length
    while (bytes < count) {
      const { value, done } = await pieces.next()
      if (done === true) break
      gathered.push(value)
      bytes += value.length
    }
    held = gathered.length === 1 ? gathered[0]! : Buffer.concat(gathered)
    if (bytes < least) throw new NetworkError(`the response of ${url} ended too early`)
  }
  return {
    take: async (count) => {
      await fill(count)
      const taken = held.subarray(0, count)
      held = held.subarray(count)
      return taken
    },
    takeInto: async (target) => {
      for (let at = 0; at < target.length;) {
        if (held.length === 0) await fill(1)
        const piece = held.subarray(0, target.length - at)
        target.set(piece, at)
        held = held.subarray(piece.length)
        at += piece.length
      }
    },
    // A short record is complete within the available bytes or the next piece, and the end of a
    // body is short.
    peek: async (count) => {
      await fill(count, 1)
      return held.subarray(0, count)
    },
    stream: async function* (count) {
      let left = count
      while (left > 0) {
        if (held.length === 0) await fill(1)
        const piece = held.subarray(0, left)
        held = held.subarray(piece.length)
        left -= piece.length
        yield piece
      }
    },
  }
}
