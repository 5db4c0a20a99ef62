/** Searching artifacts: continuing at a place, skipping artifacts, and ending. */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { searchArtifacts, type Search, type SearchPlace } from '../../src/browse/search.ts'
import type { Artifact, Metadata } from '../../src/metadata/metadata.ts'
import { openSqliteMetadata } from '../../src/metadata/sqlite/sqlite.ts'
import { seedArtifact, seedRun } from '../metadata/seed.ts'
import { temporaryDatabases } from '../metadata/temporary-database.ts'

const databases = temporaryDatabases()
const now = 3000
let metadata: Metadata
const artifacts: Artifact[] = []

beforeAll(async () => {
  metadata = openSqliteMetadata({ path: await databases.newDatabase() })
  const run = await seedRun(metadata)
  // Every third artifact has the same tree, which contains no match.
  for (let index = 0; index < 9; index++) {
    const files =
      index % 3 === 0
        ? { 'b.txt': 'b' }
        : { 'a.js': `a${index}`, 'b.txt': 'b', 'c/d.js': `d${index}`, 'e.js': 'e' }
    artifacts.unshift(await seedArtifact(metadata, run, files, { name: `n${index}` }))
  }
})
afterAll(async () => {
  await metadata.close()
})

const options: Search = {
  globs: ['**/*.js'],
  limit: 1_000,
  msMax: 60_000,
  now: () => now,
  signal: new AbortController().signal,
}

/** The artifacts from a place on, as a request would list them. */
async function* rest(from: SearchPlace | undefined): AsyncGenerator<Artifact> {
  yield* artifacts.filter(({ id }) => from === undefined || id <= from.artifactId)
}

async function searchOnce(
  search: Partial<Search> = {},
  reader: Pick<Metadata, 'searchTree'> = metadata,
): Promise<{ found: string[]; place: SearchPlace | null }> {
  const steps = searchArtifacts(reader, rest(search.from), { ...options, ...search })
  const found: string[] = []
  for (;;) {
    const { value, done } = await steps.next()
    if (done === true) return { found, place: value }
    found.push(...value.found.map(({ entry }) => `${value.artifact.name}:${entry.path}`))
  }
}

const all = [8, 7, 5, 4, 2, 1].flatMap((n) => [`n${n}:a.js`, `n${n}:c/d.js`, `n${n}:e.js`])

test('finds the matches of the newest artifact first, and reports that nothing is left to search', async () => {
  expect(await searchOnce()).toEqual({ found: all, place: null })
})

test('finds the same however often it is interrupted', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({
          limit: fc.integer({ min: 1, max: 5 }),
          // Even without time it makes one step.
          msMax: fc.constantFrom(0, 60_000),
        }),
        { minLength: 1, maxLength: 4 },
      ),
      async (requests) => {
        const found: string[] = []
        let from: SearchPlace | undefined
        for (let request = 0; ; request++) {
          const bounds = requests[request % requests.length]!
          const answer = await searchOnce({ ...bounds, from })
          expect(answer.found.length).toBeLessThanOrEqual(bounds.limit)
          found.push(...answer.found)
          if (answer.place === null) break
          from = answer.place
        }
        expect(found).toEqual(all)
      },
    ),
    { numRuns: 30 },
  )
})

test('a tree without a match is searched once', async () => {
  const searched: number[] = []
  const counting: Pick<Metadata, 'searchTree'> = {
    searchTree: async (id, ...rest) => {
      searched.push(id)
      return await metadata.searchTree(id, ...rest)
    },
  }
  await searchOnce({}, counting)
  const barren = artifacts.filter(({ name }) => ['n0', 'n3', 'n6'].includes(name))
  expect(new Set(barren.map(({ manifestId }) => manifestId)).size).toBe(1)
  expect(searched.filter((id) => barren.some((each) => each.id === id))).toEqual([barren[0]!.id])
})

test('an artifact that ends during a search is skipped, and its tree does not count as searched', async () => {
  const [newest, second] = artifacts
  const twin = { ...second!, manifestId: newest!.manifestId }
  const ended: Pick<Metadata, 'searchTree'> = {
    searchTree: async (id, ...from) => {
      if (id === newest!.id) await metadata.searchTree(10_000, ...from)
      return await metadata.searchTree(id, ...from)
    },
  }
  const both = async function* (): AsyncGenerator<Artifact> {
    yield newest!
    yield twin
  }
  const named = async (steps: ReturnType<typeof searchArtifacts>): Promise<string[]> => {
    const names: string[] = []
    for await (const { artifact } of steps) names.push(artifact.name)
    return [...new Set(names)]
  }
  expect(await named(searchArtifacts(ended, both(), options))).toEqual([twin.name])
  const late = { ...options, now: () => newest!.expiresAt }
  const living = { ...twin, expiresAt: newest!.expiresAt + 1 }
  const expiring = async function* (): AsyncGenerator<Artifact> {
    yield newest!
    yield living
  }
  expect(await named(searchArtifacts(metadata, expiring(), late))).toEqual([twin.name])
})

test('ends at the next step once it is aborted', async () => {
  const hangUp = new AbortController()
  const steps = searchArtifacts(metadata, rest(undefined), { ...options, signal: hangUp.signal })
  await steps.next()
  hangUp.abort()
  await expect(steps.next()).rejects.toThrow('aborted')
})
