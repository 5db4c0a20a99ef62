/** The text of a manifest, or of changes to one, as a client sends it. */
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createBrotliDecompress, createGunzip } from 'node:zlib'
import { storeError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { byteBudget } from '../byte-budget.ts'
import type { ManifestEncoding } from './job.ts'

/** No setting moves it: it bounds what the paths of as many entries as there may be are long, or a list of few changes. */
const ofText = { limit: 'bytes of a list of entries', setting: null }

/** Lines after the header, without their line feeds. Errors: invalid_request, too_large, and what `body` fails with. */
export async function* offeredLines(
  body: Readable,
  {
    encoding,
    header,
    textBytesMax,
  }: { encoding: ManifestEncoding; header: string; textBytesMax: number },
): AsyncGenerator<string, void, undefined> {
  const create = encoding === 'br' ? createBrotliDecompress : createGunzip
  const inflate = create({ chunkSize: 256 * 1024 })
  const feeding = pipeline(body, inflate)
  // A failure reaches the reader below through `inflate`.
  feeding.catch(() => {})
  let pending = ''
  let isHead = true
  const decoder = new TextDecoder('utf-8', { fatal: true })
  try {
    for await (const piece of byteBudget(textBytesMax, ofText).bound(
      inflate as AsyncIterable<Uint8Array>,
    )) {
      const lines = (pending + decoder.decode(piece, { stream: true })).split('\n')
      pending = lines.pop() ?? ''
      if (pending.length > 3 * limits.pathBytesMax) throw faulty('it has a line without an end')
      for (const line of lines) {
        if (isHead && `${line}\n` !== header) throw faulty('it does not begin as a manifest does')
        if (!isHead) yield line
        isHead = false
      }
    }
  } catch (error) {
    throw asFault(error)
  }
  if (isHead || pending !== '') throw faulty('it is cut short')
}

/** What zlib, Brotli (`ERR__ERROR_…`) and the decoder say of bytes that are not compressed UTF-8. */
function asFault(error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  const isFault = /^(?:Z_|ERR__ERROR_)/u.test(code) || code === 'ERR_ENCODING_INVALID_ENCODED_DATA'
  if (isFault) {
    return faulty(`it is no compressed UTF-8 text (${(error as Error).message})`)
  }
  return error
}

export function faulty(reason: string): Error {
  return storeError('invalid_request', `the manifest is refused: ${reason}`, { field: 'manifest' })
}
