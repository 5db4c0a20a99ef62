/** `/openapi.json`: open to all, since it discloses nothing about stored data. */
import type { Hono } from 'hono'
import { openApiDocument } from '../../api/openapi.ts'
import { sendBytes } from '../body/gzip.ts'
import type { AppEnv } from '../context.ts'

export function addOpenApiRoutes(app: Hono<AppEnv>): void {
  // Created on the first request: most servers never get one.
  let document: Promise<Buffer> | undefined
  app.get('/openapi.json', async (c) => {
    document ??= openApiDocument().then((made) => Buffer.from(JSON.stringify(made)))
    const headers = {
      'content-type': 'application/json',
      'cache-control': 'no-cache',
      vary: 'Accept-Encoding',
    }
    return await sendBytes(c, await document, { headers, level: 6 })
  })
}
