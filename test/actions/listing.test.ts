/** Listing runs with more artifacts than one page, during deletions. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readRunArtifacts } from '../../src/actions/twirp/artifact-service.ts'
import type { AppContext } from '../../src/http/context.ts'
import { limits } from '../../src/core/limits.ts'
import type { Artifact, Metadata, Run } from '../../src/metadata/metadata.ts'
import { openSqliteMetadata } from '../../src/metadata/sqlite/sqlite.ts'
import { seedArtifact, seedRun } from '../metadata/seed.ts'
import { temporaryDatabases } from '../metadata/temporary-database.ts'

const databases = temporaryDatabases()
const now = 3000
let metadata: Metadata

beforeAll(async () => {
  metadata = openSqliteMetadata({ path: await databases.newDatabase() })
})
afterAll(async () => {
  await metadata.close()
})

async function largeRun(): Promise<{ run: Run; artifacts: Artifact[] }> {
  const run = await seedRun(metadata)
  const artifacts: Artifact[] = []
  for (let index = 0; index < limits.listPageMax + 1; index++)
    artifacts.push(await seedArtifact(metadata, run, { a: 'a' }, { name: `n${index}` }))
  return { run, artifacts }
}

/** Returns a context in which `victim` is deleted once the first page of a list is read. */
function contextWith(victim: Artifact): AppContext {
  const findArtifacts: Metadata['findArtifacts'] = async (...asked) => {
    const page = await metadata.findArtifacts(...asked)
    await metadata.removeArtifacts([victim.id], {
      state: 'deleted',
      reason: 'deleted',
      now,
      undoMs: 0,
    })
    return page
  }
  const findProject: Metadata['findProject'] = async (name) => await metadata.findProject(name)
  return { metadata: { findArtifacts, findProject }, now: () => now } as unknown as AppContext
}

test('a deletion between two pages makes a list skip no other artifact', async () => {
  const { run, artifacts } = await largeRun()
  const place = { project: run.project, runNumber: run.number }
  const listed = await readRunArtifacts(contextWith(artifacts.at(-1)!), place, {})
  expect(listed.map(({ name }) => name)).toEqual(artifacts.map(({ name }) => name).toReversed())
})
