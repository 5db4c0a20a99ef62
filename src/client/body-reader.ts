/** An answer's body as bytes taken from its front. A body that ends early is a network failure. */
import { brokenOff, NetworkError, type ServerAccess } from './http.ts'

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
  cancel(): Promise<void>
}

export function openBodyReader(server: ServerAccess, response: Response): BodyReader {
  const reader = (response.body ?? new ReadableStream<Uint8Array>()).getReader()
  let held: Buffer = Buffer.alloc(0)
  let position = 0
  const next = async (): Promise<Buffer> => {
    let result: Awaited<ReturnType<typeof reader.read>>
    try {
      result = await reader.read()
    } catch (error) {
      throw brokenOff(server, { path: '' }, error)
    }
    if (result.done || result.value === undefined)
      throw new NetworkError(`the answer of ${server.url} broke off`)
    const { buffer, byteOffset, byteLength } = result.value
    return Buffer.from(buffer, byteOffset, byteLength)
  }
  const fill = async (count: number): Promise<void> => {
    if (held.length >= count) return
    const pieces = [held]
    let bytes = held.length
    while (bytes < count) {
      const piece = await next()
      pieces.push(piece)
      bytes += piece.length
    }
    held = Buffer.concat(pieces)
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
        const { value, done } = await reader.read()
        if (done) break
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
    cancel: async () => {
      await reader.cancel()
    },
  }
}
