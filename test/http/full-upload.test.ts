/** A step of a negotiated upload for which the disk has no room. */
import { Hono } from 'hono'
import { expect, test } from 'vitest'
import { createRevocations } from '../../src/auth/revocations.ts'
import { openKeys } from '../../src/auth/key.ts'
import { grantOf } from '../../src/auth/token-request.ts'
import { mintToken } from '../../src/auth/tokens.ts'
import { storeError, type StoreError } from '../../src/core/errors.ts'
import type { AppContext, AppEnv } from '../../src/http/context.ts'
import { addUploadRoutes } from '../../src/http/upload/uploads.ts'
import { createLog } from '../../src/log.ts'
import { testDirectory } from '../temporary-directory.ts'
import { nobody } from './open-server.ts'

test('the sender is told that there is no room, even if the session cannot be ended', async () => {
  const keys = await openKeys(testDirectory())
  const now = Date.now()
  const logged: string[] = []
  const context = {
    config: { publicUrl: null, publicProjects: [] },
    keys,
    people: nobody,
    revocations: createRevocations({ tokens: [], projects: [] }),
    now: () => now,
    metadata: {
      findSession: () => Promise.resolve({ projectId: 1, project: 'octo/app', offer: 'offer' }),
      abortSession: () => Promise.reject(storeError('storage_failed', 'broken', { reason: '' })),
    },
    ingest: {
      negotiate: () => Promise.reject(storeError('storage_full', 'no room', { neededBytes: 1 })),
    },
  } as unknown as AppContext
  const app = new Hono<AppEnv>()
  app.use('*', async (c, next) => {
    c.set(
      'log',
      createLog('warn', (line) => logged.push(line)),
    )
    await next()
  })
  addUploadRoutes(app, context)
  app.onError((error, c) => c.text((error as StoreError).code, 507))
  const token = await mintToken(
    keys.tokens,
    grantOf({ project: 'octo/app', scope: 'write' }, now),
    'api',
  )
  const headers = { authorization: `Bearer ${token}` }
  const answer = await app.request(`/api/v1/uploads/${'0'.repeat(32)}/missing`, { headers })
  expect(await answer.text()).toBe('storage_full')
  expect(logged).toEqual([expect.stringContaining('broken')])
})
