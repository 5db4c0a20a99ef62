/** Requests to a server's native API. Idempotent requests are tried again, with a bound, when the network or the server
 *  asks for it; a problem answer becomes the StoreError that the server threw. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { z } from 'zod'
import { type ErrorCode, type ErrorDetails, StoreError, storeError } from '../core/errors.ts'

export interface ServerAccess {
  /** Origin, without a trailing slash. */
  url: string
  token: string | null
}

export interface ApiRequest {
  method?: 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE'
  /** From the root, escaped, possibly with a query. */
  path: string
  query?: Record<string, string | number | boolean | null | undefined>
  headers?: Record<string, string>
  /** Sent as JSON. */
  json?: unknown
  /** Sent as it is. A function is called for each try. */
  body?: Uint8Array | (() => AsyncIterable<Uint8Array>)
  /** Whether sending it twice does no more than sending it once. Default: all but POST and PATCH. */
  repeatable?: boolean
  signal?: AbortSignal
}

/** No usable answer after every permitted try. */
export class NetworkError extends Error {
  override readonly name = 'NetworkError'
}

const triesMax = 4
const firstPauseMs = 250
const retryAfterMaxMs = 30_000
const retryableStatuses: ReadonlySet<number> = new Set([429, 502, 503, 504])

/** Sends one request and parses its JSON answer. Errors: those of `openResponse`. */
export async function requestJson<Schema extends z.ZodType>(
  server: ServerAccess,
  request: ApiRequest,
  schema: Schema,
): Promise<z.infer<Schema>> {
  const response = await openResponse(server, request)
  let answer: unknown
  try {
    answer = await response.json()
  } catch (error) {
    throw brokenOff(server, request, error)
  }
  const parsed = schema.safeParse(answer)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new Error(
    `${server.url} gave an answer that this version cannot read: ${issue?.path.join('.')} ${issue?.message}`,
  )
}

/** Sends a request that can be repeated and reads its whole answer. Errors: those of `openResponse`. */
export async function requestBytes(server: ServerAccess, request: ApiRequest): Promise<Buffer> {
  for (let attempt = 1; ; attempt++) {
    const response = await openResponse(server, request)
    try {
      return Buffer.from(await response.arrayBuffer())
    } catch (error) {
      const broken = brokenOff(server, request, error)
      if (attempt >= triesMax) throw broken
      await sleep(pauseMs(broken, attempt), undefined, { signal: request.signal })
    }
  }
}

/** What a failure to read an answer means: fetch reports a cut connection as a TypeError. Other errors pass. */
export function brokenOff(server: ServerAccess, request: ApiRequest, error: unknown): NetworkError {
  request.signal?.throwIfAborted()
  if (!(error instanceof TypeError)) throw error
  return new NetworkError(`the answer of ${server.url} broke off`, { cause: error })
}

/** Sends one request; answers once a success status arrived, with the body still to be read.
 *  Errors: the server's own codes; NetworkError. */
export async function openResponse(server: ServerAccess, request: ApiRequest): Promise<Response> {
  const isRepeatable =
    request.repeatable ?? (request.method !== 'POST' && request.method !== 'PATCH')
  for (let attempt = 1; ; attempt++) {
    const outcome = await attemptOnce(server, request)
    if (outcome instanceof Response && outcome.ok) return outcome
    if (isRepeatable && attempt < triesMax && isWorthRepeating(outcome)) {
      await sleep(pauseMs(outcome, attempt), undefined, { signal: request.signal })
      continue
    }
    throw outcome instanceof Response ? await errorOf(server, outcome) : outcome
  }
}

async function attemptOnce(
  server: ServerAccess,
  request: ApiRequest,
): Promise<Response | NetworkError> {
  const url = new URL(request.path, server.url)
  for (const [name, value] of Object.entries(request.query ?? {})) {
    if (value !== null && value !== undefined) url.searchParams.set(name, String(value))
  }
  const headers = new Headers(request.headers)
  if (server.token !== null) headers.set('authorization', `Bearer ${server.token}`)
  if (request.json !== undefined) headers.set('content-type', 'application/json')
  try {
    return await fetch(url, {
      method: request.method ?? 'GET',
      headers,
      redirect: 'error',
      ...bodyOf(request),
      ...(request.signal !== undefined && { signal: request.signal }),
    })
  } catch (error) {
    request.signal?.throwIfAborted()
    const reason = error instanceof Error && error.cause instanceof Error ? error.cause : error
    const told = reason instanceof Error ? reason.message || reason.name : String(reason)
    return new NetworkError(`${server.url} cannot be reached: ${told}`, { cause: error })
  }
}

function bodyOf({ json, body }: ApiRequest): RequestInit {
  if (json !== undefined) return { body: JSON.stringify(json) }
  if (body === undefined) return {}
  // fetch of Node takes any async iterable; a stream can only be sent while the answer waits ("half").
  if (typeof body === 'function') return { body: body(), duplex: 'half' } as unknown as RequestInit
  return { body: body as Uint8Array<ArrayBuffer> }
}

function isWorthRepeating(outcome: Response | NetworkError): boolean {
  return outcome instanceof NetworkError || retryableStatuses.has(outcome.status)
}

/** Doubles each time, with up to half of it at random so that many jobs do not come back at once. */
function pauseMs(outcome: Response | NetworkError, attempt: number): number {
  const seconds = outcome instanceof Response ? Number(outcome.headers.get('retry-after') ?? 0) : 0
  if (seconds > 0) return Math.min(retryAfterMaxMs, seconds * 1000)
  return firstPauseMs * 2 ** (attempt - 1) * (0.75 + Math.random() / 2)
}

async function errorOf(server: ServerAccess, response: Response): Promise<Error> {
  const text = await response.text()
  // Loaded when it is needed: schemas take as long to load as a small command takes to run.
  const { problemSchema } = await import('../api/messages.ts')
  const problem = problemSchema.safeParse(jsonOf(text))
  if (problem.success) {
    const {
      type: _type,
      title: _title,
      status: _status,
      detail,
      code,
      retryable: _retryable,
      ...details
    } = problem.data
    // A newer server may send codes that this version does not know; they stay readable as text.
    return new StoreError(code as ErrorCode, detail, details as unknown as ErrorDetails[ErrorCode])
  }
  const reason = `${server.url} answered ${response.status} ${response.statusText}`
  if (response.status === 401) return storeError('unauthenticated', reason, { reason })
  if (response.status === 403) return storeError('forbidden', reason, { reason })
  if (response.status === 404)
    return storeError('not_found', reason, { what: new URL(response.url).pathname })
  return response.status >= 500 ? new NetworkError(reason) : new Error(reason)
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
