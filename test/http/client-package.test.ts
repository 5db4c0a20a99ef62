/** The package of client commands that the server hands out. */
import { Hono } from 'hono'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import type { AppEnv } from '../../src/http/context.ts'
import { addClientPackageRoutes } from '../../src/http/operation/client-package.ts'
import { fileDirectory } from '../temporary-directory.ts'

const path = join(fileDirectory(), 'client.tgz')

test('a failure to read the package ends with its cause', async () => {
  const app = new Hono<AppEnv>()
  addClientPackageRoutes(app, pathToFileURL(path))
  app.onError((_error, c) => c.text('failed', 500))
  expect((await app.request('/trove.tgz')).status).toBe(500)
  await writeFile(path, 'package')
  const answer = await app.request('/trove.tgz')
  expect([answer.status, await answer.text()]).toEqual([200, 'package'])
  // A proxy that compresses makes the tag weak.
  const headers = { 'if-none-match': `"other", W/${answer.headers.get('etag')!}` }
  expect((await app.request('/trove.tgz', { headers })).status).toBe(304)
})
