/** Gzips responses for clients that accept it. */
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { pipeline } from 'node:stream'
import { promisify } from 'node:util'
import { createGzip, gzip, type ZlibOptions } from 'node:zlib'
import type { AppRequest } from '../context.ts'

/** RFC 9110 §12.5.3: the most specific coding counts, and a weight of 0 excludes it. */
export function acceptsGzip(c: AppRequest): boolean {
  const weights = new Map<string, number>()
  for (const item of (c.req.header('accept-encoding') ?? '').toLowerCase().split(',')) {
    const [coding = '', ...parameters] = item.split(';').map((each) => each.trim())
    const weight = parameters.find((each) => each.startsWith('q='))?.slice(2)
    weights.set(coding, weight === undefined ? 1 : Number(weight))
  }
  const weight = weights.get('gzip') ?? weights.get('x-gzip') ?? weights.get('*') ?? 0
  return weight > 0
}

const inThreadPool = promisify(gzip)

export async function sendBytes(
  c: AppRequest,
  bytes: Uint8Array,
  {
    status = 200,
    headers,
    level,
  }: { status?: ContentfulStatusCode; headers: Record<string, string>; level: number },
): Promise<Response> {
  if (!acceptsGzip(c)) return c.body(new Uint8Array(bytes), status, headers)
  const packed = await inThreadPool(bytes, { level })
  return c.body(packed, status, { ...headers, 'content-encoding': 'gzip' })
}

/** A shorter body fits into a packet as it is. */
const shortBytes = 1024

/** Lists have long values that repeat: gzip leaves a tenth, which saves round trips on a new
 *  connection. */
export async function sendJson(c: AppRequest, value: object): Promise<Response> {
  const bytes = Buffer.from(JSON.stringify(value))
  const headers = { 'content-type': 'application/json' }
  c.header('vary', 'Accept-Encoding', { append: true })
  if (bytes.length < shortBytes) return c.body(bytes, 200, headers)
  return await sendBytes(c, bytes, { headers, level: 1 })
}

/** When the reader stops, `pieces` end, too. */
export async function* gzipped(
  pieces: AsyncIterable<Uint8Array>,
  options: ZlibOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  yield* pipeline(pieces, createGzip(options), () => {}) as AsyncIterable<Buffer>
}
