/** Read leases: a lease ends with its response, however that ends. */
import { type ServerType, serve } from '@hono/node-server'
import { Hono } from 'hono'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Representation } from '../../src/egress/representation.ts'
import type { AppEnv } from '../../src/http/context.ts'
import { sendUnderLease } from '../../src/http/body/reading.ts'
import type { Metadata } from '../../src/metadata/metadata.ts'
import { openSqliteMetadata } from '../../src/metadata/sqlite/sqlite.ts'
import { temporaryDatabases } from '../metadata/temporary-database.ts'

const databases = temporaryDatabases()
let metadata: Metadata
let server: ServerType
let url = ''
let endedBodies = 0

beforeAll(async () => {
  metadata = openSqliteMetadata({ path: await databases.newDatabase() })
  const graceOver = new AbortController().signal
  const context = { metadata, now: () => Date.now(), config: { idleMs: 60_000 }, graceOver }
  const app = new Hono<AppEnv>()
  app.get('/:type', async (c) => {
    const representation: Representation = {
      contentType: c.req.param('type'),
      fileName: 'x',
      totalBytes: 2,
      etag: '"x"',
      digest: null,
      contentEncoding: null,
      verifyReadable: async () => undefined,
      read: async function* (_start, _end, signal) {
        try {
          yield Buffer.from('1')
          await once(signal!, 'abort')
        } finally {
          endedBodies += 1
        }
      },
    }
    return await sendUnderLease(context, c, {
      artifacts: [],
      represent: async () => representation,
      mode: 'ranged',
      disposition: 'inline',
      cacheControl: 'no-store',
    })
  })
  app.onError((_error, c) => c.text('failed', 500))
  server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' })
  if (!server.listening) await once(server, 'listening')
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})

afterAll(async () => {
  server.close()
  await metadata.close()
})

async function leases(): Promise<number> {
  return (await metadata.listReadLeases(0, 10)).length
}

test('the lease ends when the client hangs up', async () => {
  const hangUp = new AbortController()
  await fetch(`${url}/plain`, { signal: hangUp.signal })
  expect(await leases()).toBe(1)
  hangUp.abort()
  await expect.poll(leases).toBe(0)
  expect(endedBodies).toBe(1)
})

test('the lease and the body end when the response headers cannot be sent', async () => {
  endedBodies = 0
  const answer = await fetch(`${url}/%01`)
  expect(answer.status).toBe(500)
  await expect.poll(leases).toBe(0)
  expect(endedBodies).toBe(1)
})
