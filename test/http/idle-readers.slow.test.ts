/** Responses of unknown length whose client stops reading or hangs up, or whose source fails: they
 *  end like downloads. */
import { type ServerType, serve } from '@hono/node-server'
import { Hono } from 'hono'
import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { openKeys } from '../../src/auth/key.ts'
import { createRevocations } from '../../src/auth/revocations.ts'
import { adminGrant, mintToken } from '../../src/auth/tokens.ts'
import { storeError } from '../../src/core/errors.ts'
import { addCompareRoutes } from '../../src/http/artifact/compare.ts'
import type { AppContext, AppEnv } from '../../src/http/context.ts'
import { addManifestRoutes } from '../../src/http/artifact/manifests.ts'
import { addRunRecordRoutes } from '../../src/http/run/run-records.ts'
import { addSearchRoutes } from '../../src/http/artifact/search.ts'
import { addTreeRoutes } from '../../src/http/artifact/trees.ts'
import { createLog } from '../../src/log.ts'
import type {
  Artifact,
  EntryPage,
  Metadata,
  Project,
  Run,
  RunRecord,
} from '../../src/metadata/metadata.ts'
import { sendPaths } from '../../src/web/artifact/path-list.ts'
import { createMemoryStore, type EntrySpec } from '../egress/memory-store.ts'
import { nobody } from './open-server.ts'
import { fileDirectory } from '../temporary-directory.ts'

const directory = fileDirectory()
let server: ServerType
let token = ''
const config = { idleMs: 300, publicUrl: null }
/** Search steps so far. */
let searched = 0
/** Pages that were read for the list of paths. */
let pathPages = 0
/** The page of a tree that cannot be read. */
let lostPage = Infinity
const logged: string[] = []

/** Metadata with endless results, since the kernel buffers much of what a client does not read;
 *  comparisons have as many differences as allowed. */
async function endlessMetadata(): Promise<Partial<Metadata>> {
  const store = createMemoryStore()
  const path = (index: number): string => `${'d'.repeat(200)}/${'f'.repeat(200)}${index}`
  const specs = Array.from({ length: 512 }, (_, index): EntrySpec => {
    return { kind: 'directory', path: path(index) }
  })
  const artifact = store.addArtifact(specs, { pinned: true })
  const page = (await store.reader.metadata.readEntryPage(artifact.id, 0))!
  const lines = Buffer.alloc(64 * 1024)
  const added = page.entries.map((entry) => ({ before: null, after: { entry, modifiedAt: null } }))
  const logLine = { at: 0, step: 0, kind: 'output', text: 'x'.repeat(64 * 1024) } as const
  return {
    findProject: async () => ({ id: 1, name: 'octo/demo' }) as Project,
    findRun: async () => ({ id: 1 }) as Run,
    findRunRecord: async () => ({ jobs: [{ id: 1, key: 'build' }] }) as RunRecord,
    readLogPage: async () => [logLine],
    findArtifact: async () => artifact,
    readEntryPage: async () => page,
    findArtifacts: async () => [artifact],
    findNewest: async () => artifact,
    searchTree: async (_id, _globs, { ordinal }) => {
      await nextTurn()
      searched += 1
      return {
        found: ordinal === 0 ? [{ entry: page.entries[0]!, modifiedAt: null }] : [],
        next: 1,
      }
    },
    readTreePage: async (_id, number) => {
      if (number === lostPage) throw storeError('storage_failed', 'lost', { reason: 'EIO' })
      return { lines, times: null }
    },
    readTreeChanges: async (_base, _head, from) => ({ lines, next: from }),
    readDifferences: async (_base, _head, from) => {
      const next = { base: 0, head: from.head + added.length }
      return { differing: added, unchanged: 0, next: next.head > 200_000 ? null : next }
    },
  }
}

/** Adds the list of paths, with endless pages of files. */
function addPathList(app: Hono<AppEnv>, context: AppContext): void {
  const entries = Array.from({ length: 512 }, (_, index) => ({
    kind: 'file',
    path: `${'d'.repeat(200)}/${index}`,
  }))
  const readEntryPage = async (): Promise<EntryPage> => {
    pathPages += 1
    return { firstOrdinal: 0, entries, modifiedAt: [] } as unknown as EntryPage
  }
  const artifact = { id: 1, treeDigest: 'x' } as unknown as Artifact
  const metadata = { readEntryPage } as unknown as Metadata
  app.get('/paths', (c) => sendPaths({ ...context, metadata }, c, artifact))
}

beforeAll(async () => {
  const keys = await openKeys(directory)
  token = await mintToken(keys.tokens, adminGrant(Date.now(), 60_000), 'api')
  const metadata = await endlessMetadata()
  const revocations = createRevocations({ tokens: [], projects: [] })
  const context = {
    metadata,
    keys,
    revocations,
    people: nobody,
    config,
    now: () => Date.now(),
  } as unknown as AppContext
  const app = new Hono<AppEnv>()
  app.use(async (c, next) => {
    c.set(
      'log',
      createLog('warn', (line) => logged.push(line)),
    )
    await next()
  })
  app.onError((error, c) => c.text(error.message, 503))
  addManifestRoutes(app, context)
  addTreeRoutes(app, context)
  addCompareRoutes(app, context)
  addRunRecordRoutes(app, context)
  addSearchRoutes(app, context)
  addPathList(app, context)
  server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' })
  if (!server.listening) await once(server, 'listening')
})

afterAll(async () => {
  server.close()
})

test.each([
  ['/api/v1/artifacts/1/manifest'],
  ['/api/v1/artifacts/1/tree'],
  ['/api/v1/artifacts/1/tree?base=2'],
  ['/api/v1/compare?base=id:1&head=id:2'],
  ['/api/v1/runs/1/jobs/build/log?project=octo/demo'],
  ['/paths'],
])('%s is cut when its client stops reading', async (path) => {
  const connected = once(server, 'connection')
  const client = net.connect((server.address() as AddressInfo).port, '127.0.0.1')
  const [socket] = (await connected) as [net.Socket]
  const fields = ['Host: x', 'Accept: application/x-ndjson', `Authorization: Bearer ${token}`]
  client.write([`GET ${path} HTTP/1.1`, ...fields, '', ''].join('\r\n'))
  client.on('error', () => undefined)
  await once(socket, 'close')
  expect(socket.bytesWritten).toBeGreaterThan(1_000_000)
  client.destroy()
})

test('a walk ends with the headers of a body that is not sent, however it would be encoded', async () => {
  const { port } = server.address() as AddressInfo
  const pagesFor = async (coding: string): Promise<number> => {
    const before = pathPages
    const headers = { 'accept-encoding': coding }
    const answer = await fetch(`http://127.0.0.1:${port}/paths`, { method: 'HEAD', headers })
    expect(answer.status).toBe(200)
    await sleep(50)
    const pages = pathPages - before
    await sleep(50)
    expect(pathPages - before).toBe(pages)
    return pages
  }
  expect(await pagesFor('gzip')).toBe(await pagesFor('identity'))
})

test.each(['identity', 'gzip'])('a tree whose pages are lost fails (%s)', async (coding) => {
  const { port } = server.address() as AddressInfo
  const headers = { authorization: `Bearer ${token}`, 'accept-encoding': coding }
  const read = async (): Promise<Response> =>
    await fetch(`http://127.0.0.1:${port}/api/v1/artifacts/1/tree`, { headers })
  lostPage = 0
  expect((await read()).status).toBe(503)
  lostPage = 20
  logged.length = 0
  await expect((await read()).arrayBuffer()).rejects.toThrow('terminated')
  lostPage = Infinity
  expect(logged.join()).toMatch(/listing failed mid-body.*lost/)
})

async function search(signal?: AbortSignal): Promise<Response> {
  const { port } = server.address() as AddressInfo
  const answer = await fetch(`http://127.0.0.1:${port}/api/v1/search?path=**`, {
    headers: { authorization: `Bearer ${token}` },
    ...(signal !== undefined && { signal }),
  })
  expect(answer.status).toBe(200)
  return answer
}

test('a search without matches for long returns a cursor and is not cut', async () => {
  config.idleMs = 3000
  const answer = await search()
  config.idleMs = 300
  expect(await answer.text()).toMatch(/\n\{"nextCursor":"\w+"\}\n$/)
})

test('a search ends with its connection', async () => {
  config.idleMs = 20_000
  const client = new AbortController()
  await search(client.signal)
  config.idleMs = 300
  const begun = searched
  await vi.waitFor(() => expect(searched).toBeGreaterThan(begun))
  client.abort()
  // Otherwise it would run for ten seconds.
  await vi.waitFor(
    async () => {
      const before = searched
      await sleep(50)
      expect(searched).toBe(before)
    },
    { timeout: 5000 },
  )
})
