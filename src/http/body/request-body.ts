/** Request bodies: read straight from the socket's stream with a bound, a length check and an idle timer, and drained
 *  before an answer when nobody read them (GITHUB-PROTOCOL §8.5: else the client sees ECONNRESET, not our message). */
import { Readable } from 'node:stream'
import type { ReadableStream as NodeReadableStream } from 'node:stream/web'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Config } from '../../config.ts'
import { listBytesMax } from '../../core/blob-exchange.ts'
import { storeError, tooLarge } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { requireUnrevoked } from '../access/revoked.ts'
import type { BodyContext } from './body-context.ts'
import { type AppRequest, incomingOf } from '../context.ts'

export interface BodyLimit {
  bytesMax: number
  /** What is bounded, for the message: `bytes of a block`. */
  limit: string
  /** The variable that moves the bound; null when none does. */
  setting: string | null
}

/** Of a whole upload. */
export function uploadLimit({ artifactBytesMax }: Pick<Config, 'artifactBytesMax'>): BodyLimit {
  const limit = 'bytes of an upload'
  return { bytesMax: artifactBytesMax, limit, setting: 'TROVE_MAX_ARTIFACT' }
}

/** Of a list of blobs, parts or times. */
export const listLimit: BodyLimit = {
  bytesMax: listBytesMax,
  limit: 'bytes of one list',
  setting: null,
}

/** Of what is read as fields. Routes of theirs ask who sends it first, where they have to. */
export function fieldsLimit(c: AppRequest, limit: string): BodyLimit {
  const isStranger = c.var.principal === undefined
  const bytesMax = isStranger ? limits.strangerBodyBytesMax : limits.jsonBodyBytesMax
  return { bytesMax, limit, setting: null }
}

/** Announced length of the body; null when it is chunked or has none.
 *  Errors: invalid_request. */
export function contentLength(c: AppRequest): number | null {
  const text = c.req.header('content-length')
  if (text === undefined) return null
  const length = Number(text)
  if (/^\d{1,16}$/.test(text) && Number.isSafeInteger(length)) return length
  throw storeError('invalid_request', 'Content-Length must be a whole number', {
    field: 'content-length',
  })
}

/** The body as a stream of bytes, of which `bytesMax` is the bound.
 *  Errors: too_large (at once when the announced length is, else at the byte that is too many); the stream fails with
 *  incomplete_body when it ends early, with unauthenticated when the sender's token was revoked meanwhile, and with idle_timeout, the connection cut, when nothing arrives for the idle
 *  limit. */
export function openRequestBody(context: BodyContext, c: AppRequest, limit: BodyLimit): Readable {
  const expectedBytes = contentLength(c)
  if (expectedBytes !== null) refuseAbove(limit, expectedBytes)
  const chunks = readChunks(sourceOf(c), {
    expectedBytes,
    idleMs: context.config.idleMs,
    onChunk: (received) => {
      context.metrics.received(received.chunkBytes)
      refuseAbove(limit, received.totalBytes)
    },
    // It can have taken hours.
    onEnd: () => {
      const { principal } = c.var
      if (principal !== undefined) requireUnrevoked(context, principal)
    },
  })
  const body = Readable.from(chunks, { objectMode: false, highWaterMark: limits.readWindowBytes })
  // It reads ahead of its reader, so it can fail after that has stopped; an error that nobody hears ends the process.
  body.on('error', () => undefined)
  return body
}

/** The whole body in memory. Errors: too_large, incomplete_body, idle_timeout. */
export async function readBytesBody(
  context: BodyContext,
  c: AppRequest,
  limit: BodyLimit,
): Promise<Buffer> {
  // Not a list of what came: where each is of one byte, that takes a hundred times as much.
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

/** The body as JSON; an empty one is an empty object. Errors: invalid_request, too_large, incomplete_body,
 *  idle_timeout. */
export async function readJsonBody(context: BodyContext, c: AppRequest): Promise<unknown> {
  const bytes = await readBytesBody(context, c, fieldsLimit(c, 'bytes of a JSON body'))
  if (bytes.length === 0) return {}
  try {
    return JSON.parse(bytes.toString('utf8')) as unknown
  } catch (error) {
    throw storeError(
      'invalid_request',
      'the body is not valid JSON',
      { field: 'body' },
      { cause: error },
    )
  }
}

/** Reads what is left of the body and throws it away, within bounds of bytes and time. True when nothing is left. */
export async function drainBody(c: AppRequest): Promise<boolean> {
  const incoming = incomingOf(c)
  if (incoming === undefined || incoming.readableEnded || incoming.destroyed) return true
  // These have none as a rule, and node reads one on its own when there is.
  if (c.req.method === 'GET' || c.req.method === 'HEAD') return true
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

/** With less than this, it is waited a turn for more: senders choose what chunks of HTTP hold (RFC 9112 §7.1), and ten thousand of a
 *  byte each, from one read of the socket, would be ten thousand steps for every reader behind. */
const gatheredBytes = 4096

interface ChunkRules {
  expectedBytes: number | null
  idleMs: number
  onChunk(received: { chunkBytes: number; totalBytes: number }): void
  onEnd(): void
}

async function* readChunks(source: BodySource, rules: ChunkRules): AsyncGenerator<Buffer> {
  let totalBytes = 0
  let isIdle = false
  const onIdle = (): void => {
    isIdle = true
    // GITHUB-PROTOCOL §1.23: the stalled client lives until its socket is closed.
    source.cut()
  }
  // The timer runs only while we wait for the sender: slow disks of ours are not its silence.
  let timer = setTimeout(onIdle, rules.idleMs)
  try {
    for await (const chunk of source.chunks) {
      clearTimeout(timer)
      totalBytes += chunk.length
      rules.onChunk({ chunkBytes: chunk.length, totalBytes })
      const isWhole = totalBytes === rules.expectedBytes
      // What comes meanwhile is read as one.
      if (chunk.length < gatheredBytes && !isWhole) await nextTurn()
      yield chunk
      timer = setTimeout(onIdle, rules.idleMs)
    }
  } catch (error) {
    if (isIdle) {
      const message = `no byte arrived for ${rules.idleMs} ms`
      throw storeError('idle_timeout', message, { limitMs: rules.idleMs }, { cause: error })
    }
    if (!isDisconnect(error)) throw error
    throw incomplete(rules.expectedBytes, totalBytes, error)
  } finally {
    clearTimeout(timer)
  }
  if (rules.expectedBytes !== null && totalBytes !== rules.expectedBytes) {
    throw incomplete(rules.expectedBytes, totalBytes)
  }
  rules.onEnd()
}

interface BodySource {
  chunks: AsyncIterable<Buffer>
  cut(): void
}

function sourceOf(c: AppRequest): BodySource {
  const incoming = incomingOf(c)
  if (incoming !== undefined) {
    return {
      // A consumer that stops early must not take the socket with it: the answer still has to go out.
      chunks: incoming.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>,
      cut: () => {
        incoming.destroy()
      },
    }
  }
  const { body } = c.req.raw
  const stream = body === null ? Readable.from([]) : Readable.fromWeb(body as NodeReadableStream)
  return {
    chunks: stream as AsyncIterable<Buffer>,
    cut: () => {
      stream.destroy(new Error('the body was cut'))
    },
  }
}

function refuseAbove({ limit, bytesMax, setting }: BodyLimit, bytes: number): void {
  if (bytes <= bytesMax) return
  const movedBy = setting === null ? '' : ` (${setting})`
  throw tooLarge(limit, bytesMax, `${limit} must be at most ${bytesMax}${movedBy}`, setting)
}

function incomplete(expectedBytes: number | null, actualBytes: number, cause?: unknown): Error {
  const expected = expectedBytes === null ? 'its end' : `${expectedBytes} bytes`
  return storeError(
    'incomplete_body',
    `the body broke off after ${actualBytes} bytes, before ${expected}`,
    { expectedBytes, actualBytes },
    { cause },
  )
}

function isDisconnect(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code
  return code === 'ECONNRESET' || code === 'ERR_STREAM_PREMATURE_CLOSE'
}
