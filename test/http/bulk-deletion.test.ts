/** Bulk deletion of more artifacts than one page of a list holds, while others delete some of
 *  them. */
import { Hono } from 'hono'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bulkDeletionSchema } from '../../src/api/messages.ts'
import { openKeys } from '../../src/auth/key.ts'
import { createRevocations } from '../../src/auth/revocations.ts'
import { adminGrant, mintToken } from '../../src/auth/tokens.ts'
import { limits } from '../../src/core/limits.ts'
import type { AppContext, AppEnv } from '../../src/http/context.ts'
import { addDeletionRoutes } from '../../src/http/artifact/deletion.ts'
import type { Metadata } from '../../src/metadata/metadata.ts'
import { openSqliteMetadata } from '../../src/metadata/sqlite/sqlite.ts'
import { seedArtifact, seedRun } from '../metadata/seed.ts'
import { temporaryDatabases } from '../metadata/temporary-database.ts'
import { nobody } from './open-server.ts'
import { fileDirectory } from '../temporary-directory.ts'

const databases = temporaryDatabases()
const now = 3000
const directory = fileDirectory()
let metadata: Metadata
let transactions = 0

beforeAll(async () => {
  const trace = (sql: string): void => {
    if (sql === 'BEGIN IMMEDIATE') transactions += 1
  }
  metadata = openSqliteMetadata({ path: await databases.newDatabase(), trace })
})
afterAll(async () => {
  await metadata.close()
})

test('every match is deleted exactly once and in batches, even if others are deleted between two pages', async () => {
  const run = await seedRun(metadata)
  const ids: number[] = []
  for (let index = 0; index < limits.listPageMax + 2; index++)
    ids.push((await seedArtifact(metadata, run, { a: 'a' }, { name: `n${index}` })).id)
  const ending = { state: 'deleted', reason: 'deleted', now, undoMs: 0 } as const
  const findArtifacts: Metadata['findArtifacts'] = async (...asked) => {
    const page = await metadata.findArtifacts(...asked)
    await metadata.removeArtifacts([ids.at(0)!, ids.at(-1)!], ending)
    return page
  }
  const keys = await openKeys(directory)
  const context = {
    metadata: new Proxy(metadata, {
      get: (target, name: keyof Metadata) =>
        name === 'findArtifacts' ? findArtifacts : target[name].bind(target),
    }),
    keys,
    revocations: createRevocations({ tokens: [], projects: [] }),
    people: nobody,
    config: { idleMs: 60_000, publicUrl: null, undoMs: 0 },
    metrics: { received: () => undefined },
    space: { makeRoom: async () => undefined },
    now: () => now,
  }
  const app = new Hono<AppEnv>()
  addDeletionRoutes(app, context as unknown as AppContext)
  transactions = 0
  const answer = await app.request('/api/v1/artifacts/bulk-delete', {
    method: 'POST',
    headers: { authorization: `Bearer ${await mintToken(keys.tokens, adminGrant(now, 60_000))}` },
    body: JSON.stringify({ filter: { project: run.project, run: run.number } }),
  })
  const { items } = bulkDeletionSchema.parse(await answer.json())
  expect(items.map(({ id }) => id)).toEqual(ids.slice(1, -1))
  // Each deletion waits for the disk.
  expect(transactions).toBeLessThan(30)
})
