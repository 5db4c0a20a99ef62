/** Bodies of unknown length, most of them NDJSON listings. */
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { ZlibOptions } from 'node:zlib'
import { asError } from '../../core/errors.ts'
import { textsOf } from '../../core/slices.ts'
import { nextTurn } from '../../core/turn.ts'
import { type AppRequest, outgoingOf } from '../context.ts'
import { acceptsGzip, gzipped } from './gzip.ts'
import { watchIdle } from './send-representation.ts'

export const ndjsonType = 'application/x-ndjson'

/** Formats values as JSON, one per line, in pieces of about 64 KiB. */
export function linesOf(
  values: AsyncIterable<object> | Iterable<object>,
): AsyncGenerator<Uint8Array, void, undefined> {
  return inPieces(values, (value) => `${JSON.stringify(value)}\n`)
}

/** Formats values in pieces of about 64 KiB. */
export async function* inPieces<Value>(
  values: AsyncIterable<Value> | Iterable<Value>,
  format: (value: Value) => string,
): AsyncGenerator<Uint8Array, void, undefined> {
  const encoder = new TextEncoder()
  for await (const text of textsOf(values, format)) yield encoder.encode(text)
}

/** Sends pieces as they are made. Reads the first one before sending headers, so that an immediate
 *  failure still gets a status. `gzip`: the body is gzipped for clients that accept it. */
export async function sendPieces(
  { config }: { config: { idleMs: number } },
  c: AppRequest,
  pieces: AsyncGenerator<Uint8Array, void, undefined>,
  {
    status = 200,
    type,
    headers,
    gzip,
  }: {
    status?: ContentfulStatusCode
    type: string
    headers?: Record<string, string>
    gzip?: ZlibOptions
  },
): Promise<Response> {
  const packs = gzip !== undefined && acceptsGzip(c)
  if (gzip !== undefined) c.header('vary', 'Accept-Encoding', { append: true })
  const isHead = c.req.method === 'HEAD'
  const sent = packs && !isHead ? gzipped(pieces, gzip) : pieces
  const first = await sent.next()
  const all = {
    'content-type': type,
    ...headers,
    ...(packs && { 'content-encoding': 'gzip' }),
  }
  if (isHead) {
    await sent.return()
    return c.body(null, status, all)
  }
  watchIdle(c, config.idleMs)
  return c.body(streamOf(c, first, sent), status, all)
}

/** A failure part-way destroys the connection: otherwise chunked encoding would end as if the body
 *  were complete. */
function streamOf(
  c: AppRequest,
  first: IteratorResult<Uint8Array, void>,
  rest: AsyncGenerator<Uint8Array, void, undefined>,
): ReadableStream<Uint8Array> {
  let next: IteratorResult<Uint8Array, void> | undefined = first
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      // Values that are ready at once and a client that reads them at once would otherwise starve
      // other requests.
      await nextTurn()
      try {
        const { value, done } = next ?? (await rest.next())
        next = undefined
        if (done === true) controller.close()
        else controller.enqueue(value)
      } catch (error) {
        const outgoing = outgoingOf(c)
        // The client hung up: the stream is cancelled, and nobody receives the error.
        if (outgoing?.destroyed === true) return
        c.get('log').warn('listing failed mid-body', { error: asError(error) })
        if (outgoing === undefined) controller.error(error)
        else outgoing.destroy()
      }
    },
    async cancel() {
      await rest.return()
    },
  })
}
