/** Sends a representation: preconditions, ranges, headers, and a body that can never be mistaken
 *  for complete when it is not.
 *
 *  A failure before the first chunk has a status as usual. After it no status can be sent, so:
 *    ranged, whole  the connection is destroyed, before the announced length or the last chunk
 *    stock-zip      chunked without a length: the body ends normally, after a tail that no zip
 *                   reader accepts, because stock clients take a destroyed connection for
 *                   success (GITHUB-PROTOCOL §11.3) */
import { setMaxListeners } from 'node:events'
import { lengthHeader } from '../../api/completeness.ts'
import { type ByteRange, formatContentRange, parseByteRange } from '../../core/bytes/byte-range.ts'
import { digestToBytes } from '../../core/bytes/digest.ts'
import { asError, storeError } from '../../core/errors.ts'
import type { Representation } from '../../egress/representation.ts'
import { type AppRequest, outgoingOf } from '../context.ts'

/** How a body that fails part-way ends; only `ranged` serves ranges. */
export type SendMode = 'ranged' | 'stock-zip' | 'whole'

export interface SendOptions {
  mode: SendMode
  disposition: 'attachment' | 'inline'
  /** Absent: as all responses (`app.ts`). */
  cacheControl?: string
  /** Awaited once nothing more is read for the body, however it ends. */
  onEnd?(): Promise<void>
}

/** The parts of the context that sending needs. */
interface SendContext {
  /** The longest that a client may read nothing. */
  config: { idleMs: number }
  /** Aborted when bodies still being sent must end, each according to its mode. */
  graceOver: AbortSignal
}

/** Bytes that zip readers reject wherever they appear: inside data, in a header, or between
 *  members. */
const poison = Buffer.alloc(4096, 0xff)

/** Responds to GET or HEAD. Errors: precondition_failed, range_not_satisfiable, blob_damaged, those
 *  of the first read. */
export async function sendRepresentation(
  context: SendContext,
  c: AppRequest,
  representation: Representation,
  options: SendOptions,
): Promise<Response> {
  const { etag, totalBytes } = representation
  const { cacheControl } = options
  const validators = { etag, ...(cacheControl !== undefined && { 'cache-control': cacheControl }) }
  if (isUnmodified(c, etag)) return c.body(null, 304, validators)

  const part = options.mode === 'ranged' ? requestedPart(c, representation) : undefined
  await representation.verifyReadable()
  const range = part ?? { start: 0, end: totalBytes }
  const headers: Record<string, string> = { ...validators, ...describe(representation, options) }
  if (options.mode !== 'stock-zip' && Number.isFinite(totalBytes))
    headers['content-length'] = String(range.end - range.start)
  if (part !== undefined) headers['content-range'] = formatContentRange(part, totalBytes)
  const status = part === undefined ? 200 : 206
  if (c.req.method === 'HEAD') return c.body(null, status, headers)
  const body = await openBody(context, c, representation, { range, ...options })
  try {
    return c.body(body, status, headers)
  } catch (error) {
    await body.cancel(error)
    throw error
  }
}

/** Returns whether the client of a GET or HEAD of `etag` has it (RFC 9110 §13.2.2). Dates do not
 *  decide it: another file can be older than the one before it. Errors: precondition_failed. */
export function isUnmodified(c: AppRequest, etag: string): boolean {
  const ifMatch = c.req.header('if-match')
  if (ifMatch !== undefined && !listsTag(ifMatch, etag, 'strong')) {
    const message = `the ETag is ${etag}, which If-Match does not list`
    throw storeError('precondition_failed', message, { etag })
  }
  const ifNoneMatch = c.req.header('if-none-match')
  return ifNoneMatch !== undefined && listsTag(ifNoneMatch, etag, 'weak')
}

/** Returns the range to respond with if the request has a valid one. RFC 9110 §14.2, §13.1.5. */
function requestedPart(c: AppRequest, { etag, totalBytes }: Representation): ByteRange | undefined {
  // RFC 9110 §14.2: Range is defined for GET only.
  if (c.req.method !== 'GET') return undefined
  const ifRange = c.req.header('if-range')
  // Strong comparison. A date never matches: that of WebDAV is what the uploader says.
  if (ifRange !== undefined && ifRange.trim() !== etag) return undefined
  const answer = parseByteRange(c.req.header('range'), totalBytes)
  if (answer.kind === 'unsatisfiable') {
    const message = `range ${c.req.header('range')} is outside of ${totalBytes} bytes`
    throw storeError('range_not_satisfiable', message, { totalBytes })
  }
  return answer.kind === 'part' ? answer.range : undefined
}

/** Whether an If-Match or If-None-Match field names `etag`. RFC 9110 §8.8.3.2: a weak tag never
 *  matches strongly. */
function listsTag(field: string, etag: string, comparison: 'strong' | 'weak'): boolean {
  if (field.trim() === '*') return true
  const tags = field.match(/(?:W\/)?"[^"]*"/g) ?? []
  return tags.some((tag) => tag === etag || (comparison === 'weak' && tag === `W/${etag}`))
}

function describe(representation: Representation, options: SendOptions): Record<string, string> {
  const { contentType, contentEncoding, digest, fileName, totalBytes } = representation
  return {
    'content-type': contentType,
    'content-disposition': formatDisposition(options.disposition, fileName),
    'x-content-type-options': 'nosniff',
    ...(options.mode === 'ranged' && {
      'accept-ranges': 'bytes',
      [lengthHeader]: String(totalBytes),
    }),
    ...(contentEncoding === null ? {} : { 'content-encoding': contentEncoding }),
    // RFC 9530 §3: covers the whole representation, whatever part is sent.
    ...(digest === null
      ? {}
      : { 'repr-digest': `sha-256=:${digestToBytes(digest).toString('base64')}:` }),
  }
}

/** Formats the name in both forms. The plain form has no characters that stock clients cut at or
 *  decode (GITHUB-PROTOCOL §10). The other is that of RFC 8187, percent-encoded more strictly
 *  than required. */
export function formatDisposition(disposition: 'attachment' | 'inline', fileName: string): string {
  const plain = fileName.replace(/[^ -~]|["\\;%']/g, '_')
  const exact = encodeURIComponent(fileName.toWellFormed()).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
  return `${disposition}; filename="${plain}"; filename*=UTF-8''${exact}`
}

/** Reads the first chunk, so that an immediate failure still has a status, and returns a stream
 *  of all chunks. */
async function openBody(
  { config, graceOver }: SendContext,
  c: AppRequest,
  representation: Representation,
  { range, mode, onEnd }: { range: ByteRange } & Pick<SendOptions, 'mode' | 'onEnd'>,
): Promise<ReadableStream<Uint8Array>> {
  graceOver.throwIfAborted()
  const stop = new AbortController()
  const onGraceOver = (): void => stop.abort(graceOver.reason)
  // On Node 20 each `AbortSignal.any` on a signal would take memory for as long as the server runs.
  setMaxListeners(0, graceOver)
  graceOver.addEventListener('abort', onGraceOver)
  const unlisten = (): void => graceOver.removeEventListener('abort', onGraceOver)
  const chunks = representation.read(range.start, range.end, stop.signal)[Symbol.asyncIterator]()
  let next: IteratorResult<Buffer> | undefined = await chunks.next().catch((error: unknown) => {
    unlisten()
    throw error
  })
  const outgoing = outgoingOf(c)
  let bytesLeft = range.end - range.start
  const end = async (): Promise<void> => {
    unlisten()
    await onEnd?.()
  }
  const close = async (reason: string): Promise<void> => {
    stop.abort(new Error(reason))
    try {
      await chunks.return?.()
    } finally {
      await end()
    }
  }
  watchIdle(c, config.idleMs)
  // A response whose headers cannot be sent ends without its body being read or cancelled.
  outgoing?.once('close', () => {
    close('the client hung up').catch(() => undefined)
  })

  return new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        try {
          graceOver.throwIfAborted()
          const chunk = next ?? (await chunks.next())
          next = undefined
          if (chunk.done === true) {
            await end()
            controller.close()
          } else {
            controller.enqueue(chunk.value)
            bytesLeft -= chunk.value.length
            c.set('isBodyComplete', bytesLeft === 0 && mode === 'ranged')
          }
        } catch (error) {
          // The client hung up or stopped reading: the stream is cancelled, and nobody receives the
          // error.
          if (outgoing?.destroyed === true) return
          c.get('log').warn('download failed mid-body', { error: asError(error) })
          await close('the body failed').catch(() => undefined)
          if (mode === 'stock-zip') {
            controller.enqueue(poison)
            controller.close()
          } else if (outgoing === undefined) {
            controller.error(error)
          } else {
            // The adapter must see neither an error nor an end of the stream: it would complete the
            // message on either. It cancels the stream when the connection is gone.
            outgoing.destroy()
          }
        }
      },
      cancel: async () => {
        await close('the client hung up')
      },
    },
    // A chunk is requested only once the previous one is on its way; the representation reads ahead
    // by itself.
    { highWaterMark: 0 },
  )
}

/** Destroys the connection when no byte of a response is accepted for `idleMs`. Uses the
 *  socket's own timer, which sees the progress of a large write; the stream of chunks does not. */
export function watchIdle(c: AppRequest, idleMs: number): void {
  const outgoing = outgoingOf(c)
  outgoing?.setTimeout(idleMs, () => {
    c.get('log').info('download cut: the client stopped reading', { idleMs })
    outgoing.destroy()
  })
}
