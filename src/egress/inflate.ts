/** Inflating while streaming, off the event loop and in bounded memory: an output chunk exists only once the one before
 *  it was taken. */
import { pipeline } from 'node:stream/promises'
import { constants, createInflateRaw } from 'node:zlib'
import { storeError } from '../core/errors.ts'

/** zlib's output buffer. */
const outputBytes = 256 * 1024

/** The content of the raw deflate stream `source`. A joining stream has no final block; its end is the end of its
 *  content. Errors: blob_damaged (not deflate), whatever `source` throws. */
export async function* inflate(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const inflater = createInflateRaw({ chunkSize: outputBytes, finishFlush: constants.Z_SYNC_FLUSH })
  const fed = pipeline(source, inflater)
  // A failure reaches the loop below, which destroying the stream ends; this promise only tells when all is quiet.
  fed.catch(() => undefined)
  try {
    for await (const chunk of inflater) yield chunk as Buffer
  } catch (error) {
    throw isZlibError(error) ? notDeflate(error) : error
  } finally {
    inflater.destroy()
  }
}

function isZlibError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('Z_')
}

function notDeflate(cause: NodeJS.ErrnoException): Error {
  const details = { digest: null, paths: [] }
  return storeError('blob_damaged', `a stored stream does not inflate: ${cause.message}`, details, {
    cause,
  })
}

/** The bytes `[start, end)` of `source`; what follows is not asked for. */
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
