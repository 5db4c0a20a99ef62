/** Reads the text of a manifest, or of changes to one, as sent by a client. */
import { pipeline, type Readable } from 'node:stream'
import { createBrotliDecompress, createGunzip } from 'node:zlib'
import { errorCodeOf, invalidRequest } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { byteBudget } from '../byte-budget.ts'
import type { ManifestEncoding } from './job.ts'

/** No setting moves these bounds: they follow from the maximum number of entries and length of
 *  paths, or from `changesBytesMax`. */
const ofText = { limit: 'bytes of a list of entries', setting: null }

/** Yields the lines after the header, without their line feeds.
 *  Errors: invalid_request, too_large, and those of `body`. */
export async function* offeredLines(
  body: Readable,
  {
    encoding,
    header,
    textBytesMax,
  }: { encoding: ManifestEncoding; header: string; textBytesMax: number },
): AsyncGenerator<string, void, undefined> {
  const create = encoding === 'br' ? createBrotliDecompress : createGunzip
  // A failure reaches the reader below through the stream.
  const pieces: AsyncIterable<Uint8Array> = pipeline(
    body,
    create({ chunkSize: 256 * 1024 }),
    () => {},
  )
  let pending = ''
  let isHead = true
  const decoder = new TextDecoder('utf-8', { fatal: true })
  try {
    for await (const piece of byteBudget(textBytesMax, ofText).bound(pieces)) {
      const lines = (pending + decoder.decode(piece, { stream: true })).split('\n')
      pending = lines.pop() ?? ''
      if (pending.length > 3 * limits.pathBytesMax) throw faulty('it has a line that is too long')
      for (const line of lines) {
        if (isHead && `${line}\n` !== header) throw faulty('it does not begin with the header line')
        if (!isHead) yield line
        isHead = false
      }
    }
    // Throws if a character is incomplete.
    decoder.decode()
  } catch (error) {
    throw asFault(error)
  }
  if (isHead || pending !== '') throw faulty('it is truncated')
}

/** Translates the errors of zlib, Brotli (`ERR__ERROR_…`) and the decoder for bytes that are not
 *  compressed UTF-8. */
function asFault(error: unknown): unknown {
  const code = errorCodeOf(error)
  const isFault = /^(?:Z_|ERR__ERROR_)/u.test(code) || code === 'ERR_ENCODING_INVALID_ENCODED_DATA'
  if (isFault) {
    return faulty(`it is not compressed UTF-8 text (${(error as Error).message})`)
  }
  return error
}

export function faulty(reason: string): Error {
  return invalidRequest('manifest', `the manifest is rejected: ${reason}`)
}
