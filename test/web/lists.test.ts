/** Collecting all artifacts of a project's list, as the CSV and bulk actions do. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ArtifactSort } from '../../src/core/manifest/artifact-order.ts'
import { limits } from '../../src/core/limits.ts'
import { collectArtifacts, walkArtifacts } from '../../src/http/artifact/walk-artifacts.ts'
import type { Artifact, Metadata } from '../../src/metadata/metadata.ts'
import { openSqliteMetadata } from '../../src/metadata/sqlite/sqlite.ts'
import { inOrder } from '../../src/web/list/list-order.ts'
import { listAsCsv } from '../../src/web/list/list-csv.ts'
import { seedArtifact, seedRun } from '../metadata/seed.ts'
import { temporaryDatabases } from '../metadata/temporary-database.ts'

const databases = temporaryDatabases()
const now = 3000
let metadata: Metadata
let projectId: number
const artifacts: Artifact[] = []

beforeAll(async () => {
  metadata = openSqliteMetadata({ path: await databases.newDatabase() })
  const run = await seedRun(metadata)
  projectId = run.projectId
  for (let index = 0; index < limits.listPageMax + 10; index++) {
    const name = `${['b', '\ufffd', 'a', '😀'][index % 4]}${index}`
    artifacts.push(await seedArtifact(metadata, run, { a: 'a'.repeat(index % 7) }, { name }))
  }
  for (const [index, { id }] of artifacts.entries()) {
    if (index % 5 === 0) await metadata.setRetention(id, { pinned: true })
    else await metadata.setRetention(id, { expiresAt: now + 1000 + (index % 3) })
  }
})
afterAll(async () => {
  await metadata.close()
})

/** A context that runs `then` after each page of a list has been read. */
function contextIn(then: () => Promise<unknown>): Parameters<typeof collectArtifacts>[0] {
  const findArtifacts: Metadata['findArtifacts'] = async (...asked) => {
    const page = await metadata.findArtifacts(...asked)
    await then()
    return page
  }
  return { metadata: { ...metadata, findArtifacts }, now: () => now }
}

const quiet = async (): Promise<void> => undefined

test.each(['newest', 'oldest', 'largest', 'costliest', 'expiring', 'name'] as const)(
  'all artifacts have the order of the pages: %s',
  async (sort: ArtifactSort) => {
    const paged: number[] = []
    for (let offset = 0; offset <= limits.listPageMax; offset += limits.listPageMax) {
      const page = { limit: limits.listPageMax, offset, sort, now }
      paged.push(
        ...(await metadata.listArtifacts({ projectId }, page)).artifacts.map(({ id }) => id),
      )
    }
    const found = inOrder(await collectArtifacts(contextIn(quiet), { projectId }), sort)
    expect(found.map(({ id }) => id)).toEqual(paged)
  },
)

test('artifacts named by many ids are read in batches of the size of a page', async () => {
  const ids = artifacts.map(({ id }) => id)
  const asked: number[] = []
  const findArtifacts: Metadata['findArtifacts'] = async (filter, page) => {
    asked.push(filter.ids!.length)
    return await metadata.findArtifacts(filter, page)
  }
  const context = { metadata: { ...metadata, findArtifacts }, now: () => now }
  const found = await collectArtifacts(context, { projectId, ids: [...ids.toReversed(), ids[0]!] })
  expect(found.map(({ id }) => id)).toEqual(ids)
  expect(asked).toEqual([limits.listPageMax, ids.length - limits.listPageMax])
})

test('an artifact whose time is over is listed as expired before it is swept', async () => {
  const [, second] = artifacts
  expect(listAsCsv([second!], now)).toContain(',available,')
  expect(listAsCsv([second!], Number.MAX_SAFE_INTEGER)).toContain(',expired,')
})

test('no artifact is missing or listed twice when others are added or deleted between two pages', async () => {
  const ids = artifacts.map(({ id }) => id)
  const run = await seedRun(metadata, { number: 2 })
  const context = contextIn(async () => {
    await seedArtifact(metadata, run, { a: 'new' }, { name: `new-${Math.random()}` })
    const [victim] = artifacts.splice(-1)
    await metadata.removeArtifacts([victim!.id], {
      state: 'deleted',
      reason: 'deleted',
      now,
      undoMs: 0,
    })
  })
  const found = await collectArtifacts(context, { projectId })
  expect(found.map(({ id }) => id)).toEqual(ids)
})

test('nor when artifacts are read from the oldest on, and one that was read is deleted', async () => {
  const ids = artifacts.map(({ id }) => id)
  let isFirst = true
  const context = contextIn(async () => {
    if (!isFirst) return
    isFirst = false
    const [victim] = artifacts
    await metadata.removeArtifacts([victim!.id], {
      state: 'deleted',
      reason: 'deleted',
      now,
      undoMs: 0,
    })
  })
  const found: number[] = []
  for await (const { id } of walkArtifacts(context, { projectId, run: 1 }, 'oldest')) found.push(id)
  expect(found).toEqual(ids)
})
