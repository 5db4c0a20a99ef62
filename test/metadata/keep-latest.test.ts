/** Keeping the latest under any sequence of events, against a model that recomputes everything
 *  after each step.
 *
 *  Method: a few names, branches and rules, so that they collide; time passes in days, the unit
 *  of artifact lifetimes. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import SqliteDatabase from 'better-sqlite3'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compileLatestRule, formerLatestMs } from '../../src/core/policy/keep-latest.ts'
import { isExpired } from '../../src/core/policy/retention.ts'
import { isOfPullRequest } from '../../src/core/run/run.ts'
import { dayMs } from '../../src/core/units.ts'
import type { Metadata } from '../../src/metadata/metadata.ts'
import { openSqliteMetadata } from '../../src/metadata/sqlite/sqlite.ts'
import { seedArtifact, seedRun } from './seed.ts'
import { temporaryDatabases } from './temporary-database.ts'
import { turns } from '../turns.ts'

const { newDatabase } = temporaryDatabases()

const rules = [[], ['main/*'], ['**/build'], ['main/build', 'release/*/docs']]
const undoMs = dayMs

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('upload' as const),
      branch: fc.constantFrom('main', 'release/1'),
      name: fc.constantFrom('build', 'docs'),
      event: fc.constantFrom('push', 'push', 'pull_request'),
      days: fc.integer({ min: 1, max: 4 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('delete' as const), which: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('undo' as const), which: fc.nat() }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('pin' as const), which: fc.nat(), to: fc.boolean() }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('days' as const), days: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('rule' as const), rule: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('server' as const), rule: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('follow' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('expire' as const) }) },
)
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never

interface Known {
  id: number
  branch: string
  name: string
  event: string
  expiresAt: number
  pinned: boolean
  keptLatest: boolean
  deletedAt: number | null
}

class Model {
  now = 0
  project: string[] | null = null
  server: string[] = []
  readonly known: Known[] = []
  readonly metadata: Metadata
  #runs = 0

  constructor(metadata: Metadata) {
    this.metadata = metadata
  }

  get live(): Known[] {
    return this.known.filter((each) => each.deletedAt === null && !isExpired(each, this.now))
  }

  /** Recomputes all places, from the newest artifact on. */
  settle(): void {
    const isKept = compileLatestRule(this.project ?? this.server)
    const taken = new Set<string>()
    for (const each of this.live.toReversed()) {
      const place = `${each.branch}/${each.name}`
      const isLatest = !isOfPullRequest(each) && !taken.has(place) && isKept(each.branch, each.name)
      if (isLatest) taken.add(place)
      if (each.keptLatest && !isLatest)
        each.expiresAt = Math.max(each.expiresAt, this.now + formerLatestMs)
      each.keptLatest = isLatest
    }
  }

  async take(step: Step): Promise<void> {
    const { metadata, now } = this
    const of = (list: Known[], which: number): Known | undefined => list[which % list.length]
    const { projectId } = await seedRun(metadata)
    switch (step.do) {
      case 'upload': {
        const { branch, event, name } = step
        this.#runs += 1
        const run = await seedRun(metadata, { number: 1 + this.#runs, branch, event })
        const expiresAt = now + step.days * dayMs
        const options = { name, createdAt: now, now, expiresAt }
        const { id } = await seedArtifact(metadata, run, { a: `${this.#runs}` }, options)
        const state = { pinned: false, keptLatest: false, deletedAt: null }
        this.known.push({ id, branch, name, event, expiresAt, ...state })
        break
      }
      case 'delete': {
        const each = of(this.live, step.which)
        if (each === undefined) return
        await metadata.removeArtifacts([each.id], { state: 'deleted', reason: 'd', now, undoMs })
        each.deletedAt = now
        break
      }
      case 'undo': {
        const each = of(
          this.known.filter(
            (one) => one.deletedAt !== null && now < one.deletedAt + undoMs && !isExpired(one, now),
          ),
          step.which,
        )
        if (each === undefined) return
        await metadata.restoreArtifact(each.id, now)
        each.deletedAt = null
        break
      }
      case 'pin': {
        const each = of(this.live, step.which)
        if (each === undefined) return
        await metadata.setRetention(each.id, { pinned: step.to })
        each.pinned = step.to
        break
      }
      case 'days':
        this.now += step.days * dayMs
        break
      case 'rule':
        this.project = rules[step.rule]!
        await metadata.setProjectPolicy(projectId, { keepLatest: this.project }, now)
        break
      case 'follow':
        this.project = null
        await metadata.setProjectPolicy(projectId, { keepLatest: null }, now)
        break
      case 'server':
        this.server = rules[step.rule]!
        await metadata.setKeepLatest(this.server, now)
        break
      case 'expire':
        await metadata.expireArtifacts(now, 1000)
        break
    }
    this.settle()
  }

  async check(): Promise<void> {
    const page = { limit: 1000, offset: 0, sort: 'oldest', now: this.now } as const
    const { artifacts } = await this.metadata.listArtifacts({}, page)
    const seen = artifacts.map(({ id, expiresAt, pinned, keptLatest }) => ({
      id,
      expiresAt,
      pinned,
      keptLatest,
    }))
    const expected = this.live.map(({ id, expiresAt, pinned, keptLatest }) => ({
      id,
      expiresAt,
      pinned,
      keptLatest,
    }))
    expect(seen).toEqual(expected)
  }
}

test('after any sequence of events exactly the latest are kept, and nothing else changes its expiry', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30, size: 'max' }), async (steps) => {
      const metadata = openSqliteMetadata({ path: await newDatabase() })
      try {
        const model = new Model(metadata)
        for (const each of steps) {
          await model.take(each)
          await model.check()
        }
      } finally {
        await metadata.close()
      }
    }),
    { numRuns: turns(25) },
  )
})

test('the next process completes an update that was interrupted', async () => {
  const path = await newDatabase()
  const first = openSqliteMetadata({ path })
  // More places than one step covers.
  for (let number = 1; number <= 130; number++) {
    const run = await seedRun(first, { number, branch: 'main' })
    await seedArtifact(first, run, { a: `${number}` }, { name: `build-${number}` })
  }
  const { projectId } = await seedRun(first)
  const cut = first.setProjectPolicy(projectId, { keepLatest: ['main/*'] }, 0)
  await first.close()
  await expect(cut).rejects.toThrow('not open')
  const next = openSqliteMetadata({ path })
  const kept = async (): Promise<number> =>
    (await next.sumArtifacts({ keptLatest: true }, 1000 * dayMs)).artifacts
  expect(await kept()).toBeLessThan(130)
  await next.setKeepLatest([], 0)
  expect(await kept()).toBe(130)
  await next.close()
})

// The update that ends first has applied its own rule to a part. If the process is then killed, the
// next one must do the rest.
test('of two concurrent rule changes only the end of the last one completes the update', async () => {
  const path = await newDatabase()
  const metadata = openSqliteMetadata({ path })
  const run = await seedRun(metadata, { branch: 'main' })
  for (let place = 0; place < 130; place++)
    await seedArtifact(metadata, run, { a: 'a' }, { name: `build-${place}` })
  const isSettled = (): unknown => {
    const database = new SqliteDatabase(path, { readonly: true })
    const settled = database.prepare('SELECT is_latest_settled FROM projects').pluck().get()
    database.close()
    return settled
  }
  const first = metadata.setProjectPolicy(run.projectId, { keepLatest: ['main/a*'] }, 1)
  await nextTurn()
  const second = metadata.setProjectPolicy(run.projectId, { keepLatest: ['main/b*'] }, 1)
  await first
  expect(isSettled()).toBe(0)
  await second
  expect(isSettled()).toBe(1)
  const kept = { projectId: run.projectId, keptLatest: true }
  expect((await metadata.sumArtifacts(kept, 1)).artifacts).toBe(130)
  await metadata.close()
})
