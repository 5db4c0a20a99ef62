/** `/openapi.json`: open to all, since it discloses nothing about stored data. */
import type { Hono } from 'hono'
import { openApiDocument } from '../../api/openapi.ts'
import type { AppEnv } from '../context.ts'

export function addOpenApiRoutes(app: Hono<AppEnv>): void {
  // Created on the first request: most servers never get one.
  let document: Promise<string> | undefined
  app.get('/openapi.json', async (c) => {
    document ??= openApiDocument().then((made) => JSON.stringify(made))
    return c.body(await document, 200, {
      'content-type': 'application/json',
      'cache-control': 'no-cache',
    })
  })
}
