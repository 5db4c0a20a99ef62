/** What a server answers until its store is open, which can take minutes: that it lives, and is not
 *  ready yet. Clients repeat what gets a 503. */
import { Hono } from 'hono'
import { randomBytes } from 'node:crypto'
import { storeError } from '../core/errors.ts'
import { drainBody } from './body/request-body.ts'
import type { AppEnv } from './context.ts'
import { problemResponse } from './problem.ts'

/** `step` returns what the start is doing. */
export function createStartingApp(step: () => string): Hono<AppEnv> {
  const app = new Hono<AppEnv>()
  app.get('/healthz', (c) => c.text('ok\n'))
  app.get('/readyz', (c) => c.text(`${step()}\n`, 503))
  app.all('*', async (c) => {
    const error = storeError('busy', `the server is ${step()}`, { what: 'server' })
    const response = problemResponse(error, randomBytes(8).toString('hex'))
    if (!(await drainBody(c))) response.headers.set('connection', 'close')
    return response
  })
  return app
}
