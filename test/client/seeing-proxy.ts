/** A proxy that lets a test act on each request before it is passed on. */
import { createServer, request } from 'node:http'
import { listen } from './listen.ts'

export interface OwnAnswer {
  status: number
  /** Sent as a problem. */
  body: unknown
}

/** Passes requests on to `url`. `seen` may act first, or return a response of its own. Returns
 *  the proxy's URL. */
export async function startSeeingProxy(
  url: string,
  seen: (path: string, body: Buffer) => Promise<OwnAnswer | undefined>,
): Promise<string> {
  const server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
    incoming.on('end', () => {
      void (async () => {
        const body = Buffer.concat(chunks)
        const own = await seen(incoming.url ?? '', body)
        if (own !== undefined) {
          outgoing.writeHead(own.status, { 'content-type': 'application/problem+json' })
          outgoing.end(JSON.stringify(own.body))
          return
        }
        const { method, headers } = incoming
        const { 'transfer-encoding': _encoding, ...rest } = headers
        const onward = request(`${url}${incoming.url}`, {
          method,
          headers: { ...rest, 'content-length': body.length },
        })
        onward.on('response', (answer) => {
          outgoing.writeHead(answer.statusCode ?? 500, answer.headers)
          answer.pipe(outgoing)
        })
        onward.end(body)
      })()
    })
  })
  return await listen(server)
}
