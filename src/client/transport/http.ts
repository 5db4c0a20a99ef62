/** Requests to a server's native API. Idempotent requests are retried, a bounded number of
 *  times, when the network fails or the server asks for it. A problem response becomes the
 *  StoreError that the server threw. */
import type { WireProblem } from '../../api/messages.ts'
import {
  type ErrorCode,
  type ErrorDetails,
  forbidden,
  hasCode,
  StoreError,
  unauthenticated,
} from '../../core/errors.ts'
import { isLoopback } from '../../core/loopback.ts'
import { type Answer, type Exchange, exchange } from './answer.ts'
import { objectOf, parseMessage } from './message.ts'
import { AnswerError, NetworkError } from './network-error.ts'
import type { ServerAddress } from './agents.ts'
import { foreignAnswer, mayPass, unreadableAnswer } from './foreign-answer.ts'
import { tlsHint, wantsTls } from './speaks-tls.ts'
import type { Patience } from './patience.ts'
import { backoffMs, notePause, retryAfterMs, untilRead, waitFor } from './retry.ts'

export interface ServerAccess extends ServerAddress {
  token: string | null
  /** Longest silence within a request; absent: 5 minutes. */
  idleMs?: number | undefined
  /** Absent: a request is tried four times, for about two seconds. */
  patience?: Patience | undefined
}

export interface ApiRequest {
  method?: 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE'
  /** From the root, escaped; may include a query. */
  path: string
  query?: Record<string, string | number | boolean | null | undefined>
  headers?: Record<string, string>
  /** Sent as a JSON body. */
  json?: unknown
  /** Sent as it is. A function is called for each attempt. */
  body?: Uint8Array | (() => AsyncIterable<Uint8Array>)
  /** Whether sending the request twice has the same effect as sending it once. By default
   *  true, but for POST and PATCH only where the server has certainly done nothing yet. */
  repeatable?: boolean
  /** Whether a web page is a possible result: the content of a file. */
  takesPage?: boolean
  signal?: AbortSignal | undefined
}

const triesMax = 4
const firstPauseMs = 250
const retryableStatuses: ReadonlySet<number> = new Set([408, 429, 502, 503, 504])

/** Sends a request and parses its JSON response, which must have `fields`. Errors: those of
 *  `openAnswer` and `parseMessage`. */
export async function requestJson<Message extends object>(
  server: ServerAccess,
  request: ApiRequest,
  fields: readonly (keyof Message & string)[],
): Promise<Message> {
  return parseMessage<Message>(server, (await requestBytes(server, request)).toString(), fields)
}

/** Sends a request and reads the whole response. A response that breaks off is retried as if
 *  there were none. Errors: those of `openAnswer`. */
export async function requestBytes(server: ServerAccess, request: ApiRequest): Promise<Buffer> {
  const open = async (): Promise<Answer> => await openAnswer(server, request)
  const read = async (answer: Answer): Promise<Buffer> => await answer.bytes()
  const tries = isRepeatable(request) ? triesMax : 1
  return await untilRead(open, read, { triesMax: tries, signal: request.signal })
}

/** Sends a request and returns once a success status has arrived, with the body still to be
 *  read.
 *  Errors: the server's own codes; NetworkError, AnswerError; those of the request body. */
export async function openAnswer(server: ServerAccess, request: ApiRequest): Promise<Answer> {
  for (let attempt = 1; ; attempt++) {
    const outcome = await attemptOnce(server, request)
    const isPassing = isWorthRepeating(outcome)
    if (!isPassing) server.patience?.heard()
    if (!(outcome instanceof NetworkError) && outcome.status < 300) {
      if (request.takesPage !== true) refusePage(server, outcome)
      return outcome
    }
    const goesOn = (): boolean =>
      attempt < triesMax || server.patience?.lasts(failureOf(server, outcome)) === true
    if (isPassing && isRepeatable(request) && goesOn()) {
      if (!(outcome instanceof NetworkError)) outcome.discard()
      await waitFor(pauseMs(outcome, attempt), request.signal)
      continue
    }
    const error =
      outcome instanceof NetworkError
        ? outcome
        : notePause(await errorOf(server, outcome), askedPauseMs(outcome))
    if (request.repeatable === false || !isUntouched(error) || !goesOn()) throw error
    await waitFor(pauseMs(outcome, attempt), request.signal)
  }
}

/** Whether the server has certainly done nothing: there was no connection, or it takes no requests
 *  yet, or no more. */
function isUntouched(error: Error): boolean {
  if (error instanceof NetworkError) return isUnconnected(error.cause)
  return (
    hasCode(error, 'shutting_down') || (hasCode(error, 'busy') && error.details.what === 'server')
  )
}

/** Whether the system found no way to connect, for a name with several addresses to any of them. */
function isUnconnected(cause: unknown): boolean {
  const failure: unknown = cause instanceof AggregateError ? cause.errors[0] : cause
  const { syscall } = (failure ?? {}) as NodeJS.ErrnoException
  return syscall === 'connect' || syscall === 'getaddrinfo'
}

/** The sign-in page of a network or a proxy, which comes with a success status. */
function refusePage(server: ServerAccess, answer: Answer): void {
  if (answer.header('content-type')?.startsWith('text/html') !== true) return
  answer.discard()
  throw unreadableAnswer(server, 'a web page')
}

function isRepeatable({ repeatable, method }: ApiRequest): boolean {
  return repeatable ?? (method !== 'POST' && method !== 'PATCH')
}

async function attemptOnce(
  server: ServerAccess,
  request: ApiRequest,
): Promise<Answer | NetworkError> {
  // A relative URL that begins with two slashes would name another host.
  const url = new URL(server.url + request.path)
  for (const [name, value] of Object.entries(request.query ?? {})) {
    if (value !== null && value !== undefined) url.searchParams.set(name, String(value))
  }
  const headers: Record<string, string> = {
    // Compressing what stays on this machine gains nothing.
    'accept-encoding': isLoopback(url.hostname) ? 'identity' : 'gzip',
    ...request.headers,
    ...(server.token !== null && { authorization: `Bearer ${server.token}` }),
    ...(request.json !== undefined && { 'content-type': 'application/json' }),
  }
  const { method = 'GET', signal } = request
  const { proxy = null, idleMs } = server
  const body = bodyOf(request)
  try {
    return await exchange({ url, method, headers, body, signal, proxy, idleMs })
  } catch (error) {
    if (error instanceof NetworkError) return error
    throw error
  }
}

function bodyOf({ json, body }: ApiRequest): Exchange['body'] {
  if (json !== undefined) return Buffer.from(JSON.stringify(json))
  return typeof body === 'function' ? body() : body
}

function isWorthRepeating(outcome: Answer | NetworkError): boolean {
  return outcome instanceof NetworkError || retryableStatuses.has(outcome.status)
}

function failureOf({ url }: ServerAccess, outcome: Answer | NetworkError): string {
  return outcome instanceof NetworkError
    ? outcome.message
    : `${url} responded with status ${outcome.status}`
}

function askedPauseMs(answer: Answer): number {
  return retryAfterMs(answer.header('retry-after'))
}

function pauseMs(outcome: Answer | NetworkError, attempt: number): number {
  const asked = outcome instanceof NetworkError ? 0 : askedPauseMs(outcome)
  return asked > 0 ? asked : backoffMs(firstPauseMs, attempt)
}

async function errorOf(server: ServerAccess, answer: Answer): Promise<Error> {
  const { status } = answer
  if (status < 400) {
    answer.discard()
    const place = answer.header('location') ?? 'another address'
    return new AnswerError(
      `${server.url} cannot be reached: it responded ${status}, a redirect to ${place}`,
      { status },
    )
  }
  const text = (await answer.bytes()).toString()
  const problem = problemOf(text)
  if (problem !== undefined) {
    const {
      type: _type,
      title: _title,
      status: _status,
      detail,
      code,
      retryable: _retryable,
      ...details
    } = problem
    // What the server says is how to send one; who sent none may not know which server was asked.
    const isMissing = code === 'unauthenticated' && details['reason'] === 'no token'
    const words = isMissing ? `${server.url} requires a token, and none is given` : detail
    // A newer server may send codes that this version does not know; their text is still readable.
    return new StoreError(code as ErrorCode, words, details as unknown as ErrorDetails[ErrorCode])
  }
  const hint = status === 400 && wantsTls(text) ? `: ${tlsHint}` : ''
  const reason = `${server.url} responded ${status}${hint}`
  const foreign = foreignAnswer(server, status)
  if (foreign !== undefined) return foreign
  if (status === 401) return unauthenticated(reason)
  if (status === 403) return forbidden(reason)
  // A 404 from something other than Trove says nothing about artifacts.
  return mayPass(status) ? new NetworkError(reason) : new AnswerError(reason, { status })
}

/** Parses a problem response; undefined when the text is none, for example when a proxy
 *  responded. */
function problemOf(text: string): WireProblem | undefined {
  const problem: Partial<WireProblem> = objectOf(text) ?? {}
  const isProblem = typeof problem.detail === 'string' && typeof problem.code === 'string'
  return isProblem ? (problem as WireProblem) : undefined
}
