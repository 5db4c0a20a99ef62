/** `/openapi.json`: open to all, since it discloses nothing about stored data. */
import type { Hono } from 'hono'
import { openApiDocument } from '../../api/openapi.ts'
import type { AppEnv } from '../context.ts'

export function addOpenApiRoutes(app: Hono<AppEnv>): void {
  // Created on the first request: most servers never get one.
  let document: Record<string, unknown> | undefined
  app.get('/openapi.json', (c) => {
    document ??= openApiDocument()
    return c.json(document, 200, { 'cache-control': 'no-cache' })
  })
}
