/** Streaming inflate, off the event loop and in bounded memory: the next chunk is not inflated
 *  until the previous one was taken. */
import { pipeline } from 'node:stream/promises'
import { constants, createInflateRaw } from 'node:zlib'
import { blobDamaged } from '../core/errors.ts'

/** Size of zlib's output buffer. */
const outputBytes = 256 * 1024

/** Yields the content of the raw deflate stream `source`. A joining stream has no final block;
 *  where it ends, its content ends.
 *  Errors: blob_damaged (not deflate), whatever `source` throws. */
export async function* inflate(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const inflater = createInflateRaw({ chunkSize: outputBytes, finishFlush: constants.Z_SYNC_FLUSH })
  const fed = pipeline(source, inflater)
  // The loop below sees any failure, because it destroys the stream; this promise must not be an
  // unhandled rejection.
  fed.catch(() => undefined)
  try {
    for await (const chunk of inflater) yield chunk as Buffer
  } catch (error) {
    if (!isZlibError(error)) throw error
    throw blobDamaged(`a stored stream does not inflate: ${error.message}`, [], { cause: error })
  } finally {
    inflater.destroy()
  }
}

function isZlibError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('Z_')
}

/** Yields the bytes `[start, end)` of `source`; reads nothing after them. */
export async function* sliceBytes(
  source: AsyncIterable<Buffer>,
  start: number,
  end: number,
): AsyncGenerator<Buffer[]> {
  let position = 0
  for await (const chunk of source) {
    const from = Math.max(start - position, 0)
    const to = Math.min(end - position, chunk.length)
    position += chunk.length
    if (from < to) yield [chunk.subarray(from, to)]
    if (position >= end) return
  }
}
