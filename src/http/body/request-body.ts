/** Request bodies. They are read straight from the socket's stream with an upper bound, a length
 *  check and an idle timer. A body that nobody read is drained before the response
 *  (GITHUB-PROTOCOL §8.5: otherwise the client sees ECONNRESET instead of our message). */
import { Readable } from 'node:stream'
import type { ReadableStream as NodeReadableStream } from 'node:stream/web'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Config } from '../../config/config.ts'
import { listBytesMax } from '../../core/bytes/blob-exchange.ts'
import { invalidRequest, storeError, tooLarge, hasErrno } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { requireStanding } from '../access/standing.ts'
import type { BodyContext } from './body-context.ts'
import { type AppRequest, incomingOf } from '../context.ts'
import { askForBody, isWaitingToSend } from './expectation.ts'
import { requireSmallShape } from './json-shape.ts'

export interface BodyLimit {
  bytesMax: number
  /** What the limit bounds, for the message: `bytes of a block`. */
  limit: string
  /** The setting that changes the limit; null when none does. */
  setting: string | null
  /** Returns the error for an empty body; absent: an empty body is accepted. */
  emptyError?: () => Error
  /** The longest that the whole body may take; absent: as long as it does not pause. */
  wholeMs?: number
}

/** Limit of a whole upload. */
export function uploadLimit({ artifactBytesMax }: Pick<Config, 'artifactBytesMax'>): BodyLimit {
  const limit = 'bytes of an upload'
  return { bytesMax: artifactBytesMax, limit, setting: 'TROVE_MAX_ARTIFACT' }
}

/** Limit of a list of blobs, parts or times. */
export const listLimit: BodyLimit = {
  bytesMax: listBytesMax,
  limit: 'bytes of one list',
  setting: null,
}

/** Limit of a body that is parsed into fields. It is lower for unauthenticated senders, who would
 *  otherwise keep all connections busy with a byte a minute. So routes that require a principal
 *  authenticate before they read the body. */
export function fieldsLimit(c: AppRequest, limit: string): BodyLimit {
  const isStranger = c.var.principal === undefined
  if (!isStranger) return { bytesMax: limits.jsonBodyBytesMax, limit, setting: null }
  const { strangerBodyBytesMax: bytesMax, strangerBodyMs: wholeMs } = limits
  return { bytesMax, limit, setting: null, wholeMs }
}

/** Returns the announced length of the body; null when it is chunked or absent. Errors:
 *  invalid_request. */
export function contentLength(c: AppRequest): number | null {
  const text = c.req.header('content-length')
  if (text === undefined) return null
  const length = Number(text)
  if (/^\d{1,16}$/.test(text) && Number.isSafeInteger(length)) return length
  throw invalidRequest('content-length', 'Content-Length must be a whole number')
}

/** Returns the body as a stream of at most `bytesMax` bytes. Errors: too_large (at once if the
 *  announced length exceeds the limit, else at the first byte past it). The stream fails with
 *  the limit's `emptyError`, with incomplete_body when the body ends early, with
 *  unauthenticated when the sender's token was revoked or its person lost access meanwhile, and
 *  with idle_timeout when nothing arrives for the idle limit; the connection is then destroyed. */
export function openRequestBody(context: BodyContext, c: AppRequest, limit: BodyLimit): Readable {
  const expectedBytes = contentLength(c)
  if (expectedBytes !== null) requireAtMost(limit, expectedBytes)
  const chunks = readChunks(sourceOf(c), {
    expectedBytes,
    idleMs: context.config.idleMs,
    wholeMs: limit.wholeMs,
    onChunk: (received) => {
      context.metrics.received(received.chunkBytes)
      requireAtMost(limit, received.totalBytes)
    },
    onEnd: (totalBytes) => {
      if (totalBytes === 0 && limit.emptyError !== undefined) throw limit.emptyError()
      const { principal } = c.var
      if (principal !== undefined) requireStanding(context, principal)
    },
  })
  const body = Readable.from(chunks, { objectMode: false, highWaterMark: limits.bodyAheadBytes })
  // The stream reads ahead, so it can fail after its consumer has stopped; an unhandled 'error'
  // event would end the process.
  body.on('error', () => undefined)
  return body
}

/** Reads the whole body into memory. Errors: too_large, incomplete_body, idle_timeout. */
export async function readBytesBody(
  context: BodyContext,
  c: AppRequest,
  limit: BodyLimit,
): Promise<Buffer> {
  // A growing buffer and not a list of chunks: a list of one-byte chunks takes a hundred times the
  // memory.
  let bytes = Buffer.alloc(0)
  let length = 0
  for await (const part of openRequestBody(context, c, limit)) {
    const chunk = part as Buffer
    const end = length + chunk.length
    if (end > bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(end, 2 * bytes.length))
      bytes.copy(larger, 0, 0, length)
      bytes = larger
    }
    chunk.copy(bytes, length)
    length = end
  }
  return bytes.subarray(0, length)
}

/** Parses the body as JSON; an empty body yields an empty object. Errors: invalid_request,
 *  too_large, incomplete_body, idle_timeout. */
export async function readJsonBody(context: BodyContext, c: AppRequest): Promise<unknown> {
  const bytes = await readBytesBody(context, c, fieldsLimit(c, 'bytes of a JSON body'))
  if (bytes.length === 0) return {}
  requireSmallShape(bytes)
  try {
    return JSON.parse(bytes.toString('utf8')) as unknown
  } catch (error) {
    throw invalidRequest('body', 'the body is not valid JSON', { cause: error })
  }
}

/** Reads and discards the rest of the body, within bounds of bytes and time. Returns true when
 *  nothing is left. */
export async function drainBody(c: AppRequest): Promise<boolean> {
  const incoming = incomingOf(c)
  if (incoming === undefined || incoming.readableEnded || incoming.destroyed) return true
  // These rarely have a body, and Node discards it by itself when there is one.
  if (c.req.method === 'GET' || c.req.method === 'HEAD') return true
  if (isWaitingToSend(incoming)) return false
  return await new Promise<boolean>((resolve) => {
    let drainedBytes = 0
    const onData = (chunk: Buffer): void => {
      drainedBytes += chunk.length
      if (drainedBytes > limits.drainBytesMax) settle(false)
    }
    const onEnd = (): void => {
      settle(true)
    }
    const onBroken = (): void => {
      settle(false)
    }
    const timer = setTimeout(onBroken, limits.drainMs)
    const settle = (isDrained: boolean): void => {
      clearTimeout(timer)
      incoming.off('data', onData).off('end', onEnd).off('close', onBroken).off('error', onBroken)
      if (!isDrained) incoming.pause()
      resolve(isDrained)
    }
    incoming.on('data', onData).on('end', onEnd).on('close', onBroken).on('error', onBroken)
    incoming.resume()
  })
}

/** After a smaller chunk, readers wait a turn of the event loop for more, and take all as one.
 *  The sender chooses chunk sizes (RFC 9112 §7.1): ten thousand one-byte chunks, from one read
 *  of the socket, would otherwise be ten thousand steps for every stage of the pipeline. */
const gatheredBytes = 4096

interface ChunkRules {
  expectedBytes: number | null
  idleMs: number
  wholeMs: number | undefined
  onChunk(received: { chunkBytes: number; totalBytes: number }): void
  onEnd(totalBytes: number): void
}

async function* readChunks(source: BodySource, rules: ChunkRules): AsyncGenerator<Buffer> {
  let totalBytes = 0
  let late: Error | undefined
  const cut = (limitMs: number, message: string): void => {
    late = storeError('idle_timeout', message, { limitMs })
    // GITHUB-PROTOCOL §1.23: a stalled client does not give up until its socket is closed.
    source.cut()
  }
  const { idleMs, wholeMs } = rules
  const onIdle = (): void => cut(idleMs, `received no data for ${idleMs} ms`)
  const whole =
    wholeMs === undefined
      ? undefined
      : setTimeout(cut, wholeMs, wholeMs, `the body did not arrive within ${wholeMs} ms`)
  // The timer runs only while we wait for the sender, so that our own slow disks do not count as
  // its silence.
  let timer = setTimeout(onIdle, idleMs)
  try {
    for await (const first of source.chunks) {
      clearTimeout(timer)
      const isLast = totalBytes + first.length === rules.expectedBytes
      const chunk =
        first.length < gatheredBytes && !isLast ? await gather(first, source.stream) : first
      totalBytes += chunk.length
      rules.onChunk({ chunkBytes: chunk.length, totalBytes })
      yield chunk
      timer = setTimeout(onIdle, idleMs)
    }
  } catch (error) {
    if (late !== undefined) throw late
    if (!isDisconnect(error)) throw error
    throw incomplete(rules.expectedBytes, totalBytes, error)
  } finally {
    clearTimeout(timer)
    clearTimeout(whole)
  }
  if (rules.expectedBytes !== null && totalBytes !== rules.expectedBytes) {
    throw incomplete(rules.expectedBytes, totalBytes)
  }
  rules.onEnd(totalBytes)
}

/** Returns the chunk and what arrives within a turn, as one. */
async function gather(chunk: Buffer, stream: Readable): Promise<Buffer> {
  await nextTurn()
  const { readableLength } = stream
  // Without a length, `read` returns only the first of the chunks since Node 26.
  const more = readableLength === 0 ? null : (stream.read(readableLength) as Buffer | null)
  return more === null ? chunk : Buffer.concat([chunk, more])
}

interface BodySource {
  stream: Readable
  /** Of `stream`. */
  chunks: AsyncIterable<Buffer>
  cut(): void
}

function sourceOf(c: AppRequest): BodySource {
  const incoming = incomingOf(c)
  if (incoming !== undefined) {
    askForBody(incoming)
    return {
      stream: incoming,
      // A consumer that stops early must not destroy the socket: the response still has to be sent.
      chunks: incoming.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>,
      cut: () => {
        incoming.destroy()
      },
    }
  }
  const { body } = c.req.raw
  const stream = body === null ? Readable.from([]) : Readable.fromWeb(body as NodeReadableStream)
  return {
    stream,
    chunks: stream as AsyncIterable<Buffer>,
    cut: () => {
      stream.destroy(new Error('the body was cut off'))
    },
  }
}

function requireAtMost({ limit, bytesMax, setting }: BodyLimit, bytes: number): void {
  if (bytes <= bytesMax) return
  const changedBy = setting === null ? '' : ` (${setting})`
  throw tooLarge(limit, bytesMax, `${limit} must be at most ${bytesMax}${changedBy}`, setting)
}

function incomplete(expectedBytes: number | null, actualBytes: number, cause?: unknown): Error {
  const received =
    expectedBytes === null
      ? `${actualBytes} bytes, before its end`
      : `${actualBytes} of ${expectedBytes} bytes`
  return storeError(
    'incomplete_body',
    `the request body broke off after ${received}`,
    { expectedBytes, actualBytes },
    { cause },
  )
}

function isDisconnect(error: unknown): boolean {
  return hasErrno(error, 'ECONNRESET', 'ERR_STREAM_PREMATURE_CLOSE')
}
