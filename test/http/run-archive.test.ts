/** The archive of a run with very many artifacts, or with deletions while they are listed. */
import { unzipSync } from 'fflate'
import { Hono } from 'hono'
import { expect, test } from 'vitest'
import { openKeys } from '../../src/auth/key.ts'
import { createRevocations } from '../../src/auth/revocations.ts'
import { adminGrant, mintToken } from '../../src/auth/tokens.ts'
import type { ArtifactName } from '../../src/core/artifact.ts'
import { StoreError } from '../../src/core/errors.ts'
import { limits } from '../../src/core/limits.ts'
import { addArchiveRoutes } from '../../src/http/artifact/archives.ts'
import type { AppContext, AppEnv } from '../../src/http/context.ts'
import type { Artifact, Metadata } from '../../src/metadata/metadata.ts'
import { createMemoryStore } from '../egress/memory-store.ts'
import { nobody } from './open-server.ts'
import { fileDirectory } from '../temporary-directory.ts'

const directory = fileDirectory()

/** Requests the archive of a run whose artifacts are `live`, by id. `onPage` is called after
 *  each page of them. */
async function archiveOf(live: Artifact[], onPage: () => void = () => undefined) {
  const keys = await openKeys(directory)
  const { packs, metadata: entries } = createMemoryStore().reader
  const metadata: Partial<Metadata> = {
    ...entries,
    findProject: async () => ({ id: 1, name: 'o/r' }) as never,
    openReadLeases: async () => ({ leases: [], gone: [] }),
    closeReadLeases: async () => undefined,
    findArtifacts: async ({ beforeId = Infinity }, { sort, limit, offset }) => {
      const found = live.filter(({ id }) => id < beforeId)
      if (sort === 'newest') found.reverse()
      onPage()
      return found.slice(offset, offset + limit)
    },
  }
  const config = { idleMs: 60_000, publicUrl: null }
  const graceOver = new AbortController().signal
  const revocations = createRevocations({ tokens: [], projects: [] })
  const caller = { keys, revocations, people: nobody }
  const context = { packs, metadata, ...caller, config, graceOver, now: () => Date.now() }
  const app = new Hono<AppEnv>()
  addArchiveRoutes(app, context as unknown as AppContext)
  app.onError((error, c) => c.text(error instanceof StoreError ? error.code : error.message, 500))
  const token = await mintToken(keys.tokens, adminGrant(Date.now(), 60_000))
  const headers = { authorization: `Bearer ${token}` }
  const response = await app.request('/api/v1/runs/7/archive.zip?project=o/r', { headers })
  return { status: response.status, bytes: Buffer.from(await response.arrayBuffer()) }
}

function artifactsOf(count: number, nameOf: (index: number) => string): Artifact[] {
  const store = createMemoryStore()
  return Array.from({ length: count }, (_, index) =>
    store.addArtifact([], {
      id: index + 1,
      name: nameOf(index) as ArtifactName,
      attempt: 1 + Math.floor(index / limits.artifactsPerRunMax),
      pinned: true,
    }),
  )
}

test('an artifact deleted while the run is listed makes it skip no other', async () => {
  const live = artifactsOf(limits.listPageMax + 50, String)
  const { bytes } = await archiveOf(live, () => {
    live.splice(100, 1)
  })
  const folders = Object.keys(unzipSync(bytes))
  expect(folders).toEqual(expect.arrayContaining(live.map(({ name }) => `${name}/`)))
})

test('the newest attempt is used, however many artifacts the others have', async () => {
  const count = limits.artifactsPerRunMax + 10
  const live = artifactsOf(count, (index) => (index < 10 ? 'old' : `a${index % 1000}`))
  live.at(-1)!.name = 'new' as ArtifactName
  const { bytes } = await archiveOf(live)
  expect(Object.keys(unzipSync(bytes))).toContain('new/')
})

test('more artifacts than a run may have are rejected, not left out', async () => {
  const { status, bytes } = await archiveOf(artifactsOf(limits.artifactsPerRunMax + 1, String))
  expect([status, bytes.toString()]).toEqual([500, 'too_large'])
})
