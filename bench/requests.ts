/** Requests over kept connections. `fetch` would take as much CPU time as the server. */
import { type IncomingMessage, request } from 'node:http'
import { buffer } from 'node:stream/consumers'

export interface SmallRequest {
  method?: 'GET' | 'PUT' | 'POST'
  headers?: Record<string, string>
  body?: string | Uint8Array
}

/** Sends a request and returns the whole body. Throws unless the status is 2xx. */
export async function send(url: string, options: SmallRequest = {}): Promise<Buffer> {
  const { method = 'GET', headers = {}, body } = options
  const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request(url, { method, headers: { ...headers, ...length } }, resolve)
      .on('error', reject)
      .end(body)
  })
  const bytes = await buffer(response)
  const status = response.statusCode ?? 0
  if (status < 200 || status > 299) throw new Error(`${method} ${url}: ${status} ${String(bytes)}`)
  return bytes
}

/** Durations in milliseconds, by kind of request. */
export type Durations = Record<string, number[]>

/** Runs `work` and notes its duration. */
export async function noting<T>(
  durations: Durations,
  kind: string,
  work: () => Promise<T>,
): Promise<T> {
  const start = performance.now()
  const value = await work()
  const noted = (durations[kind] ??= [])
  noted.push(performance.now() - start)
  return value
}
