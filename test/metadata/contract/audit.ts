import { expect, test } from 'vitest'
import type { Actor } from '../../../src/core/audit.ts'
import { limits } from '../../../src/core/limits.ts'
import { parseProjectName } from '../../../src/core/run/run.ts'
import type { Act, ActFilter } from '../../../src/metadata/metadata.ts'
import type { Store } from '../metadata-contract.ts'
import { seedArtifact, seedRun } from '../seed.ts'

const by: Actor = {
  kind: 'job',
  run: 7,
  job: 'build',
  person: null,
  tokenIds: ['a', 'b'],
  origin: 'api',
}
const author = { at: 5_000, by }
const removal = { state: 'deleted', reason: 'deleted', now: 5_000, undoMs: 1_000 } as const

export function auditContract(store: Store): void {
  const acts = async (filter: ActFilter = {}): Promise<Act[]> =>
    await store().listActs(filter, { limit: 100 })
  const kinds = async (filter: ActFilter = {}): Promise<string[]> =>
    (await acts(filter)).map(({ kind }) => kind)
  /** Creates artifacts of a new run. */
  const seed = async (number: number, count = 1): Promise<number[]> => {
    const run = await seedRun(store(), { number })
    const ids: number[] = []
    for (let index = 0; index < count; index++)
      ids.push((await seedArtifact(store(), run, { a: 'a' }, { name: `n${index}` })).id)
    return ids
  }

  test('changes to an artifact are recorded with their actor, newest first', async () => {
    const [id] = (await seed(1)) as [number]
    await store().setRetention(id, { pinned: true }, author)
    await store().setRetention(id, { pinned: false, expiresAt: 9_000 }, author)
    await store().removeArtifacts([id], removal, author)
    await store().restoreArtifact(id, 5_500, author)
    expect(await kinds()).toEqual(['restore', 'delete', 'expire', 'release', 'keep'])
    expect((await acts({ kind: 'expire' }))[0]).toEqual({
      id: expect.any(Number) as number,
      at: 5_000,
      kind: 'expire',
      project: 'acme/app',
      artifactIds: [id],
      artifacts: [{ id, name: 'n0', run: 1 }],
      details: { expiresAt: 9_000 },
      by,
    })
  })

  test('changes without an actor, and changes without effect, are not recorded', async () => {
    const [id] = (await seed(1)) as [number]
    await store().setRetention(id, { pinned: true, expiresAt: 9_000 })
    await store().setRetention(id, { pinned: true, expiresAt: 9_000 }, author)
    expect(await store().setRetentionOfMany([id], { pinned: true }, 5_000, author)).toEqual([])
    await expect(store().setRetention(99, { pinned: true }, author)).rejects.toThrow('no live')
    await store().removeArtifacts([id], removal)
    expect(await store().removeArtifacts([id, 99], removal, author)).toEqual([])
    await store().setProjectPolicy(1, { strict: null }, 1, author)
    await store().removeRunRecords(1, 1, author)
    expect(await acts()).toEqual([])
    expect((await store().findArtifact(id))?.removedBy).toBeNull()
  })

  test('a removed artifact names who removed it, until the removal is undone', async () => {
    const [first, second] = (await seed(1, 2)) as [number, number]
    await store().removeArtifacts([first, second], removal, author)
    expect((await store().findArtifact(first))?.removedBy).toEqual(by)
    await store().restoreArtifacts([first], 5_500, author)
    expect((await store().findArtifact(first))?.removedBy).toBeNull()
    await store().purgeActs(5_000, 10)
    expect((await store().findArtifact(second))?.removedBy).toBeNull()
  })

  test('a change to many artifacts is one act per transaction and project, and names the first of them', async () => {
    const many = await seed(1, 103)
    const other = await seedRun(store(), { project: 'acme/other' })
    const { id: elsewhere } = await seedArtifact(store(), other, { a: 'a' })
    await store().removeArtifacts([...many, elsewhere], removal, author)
    const [there, rest, first] = (await acts()).toSorted((a, b) =>
      String(b.project).localeCompare(String(a.project)),
    ) as [Act, Act, Act]
    expect([there.project, there.artifactIds]).toEqual(['acme/other', [elsewhere]])
    expect([...first.artifactIds, ...rest.artifactIds].toSorted((a, b) => a - b)).toEqual(many)
    expect(first.artifacts).toHaveLength(limits.auditNamesMax)
    expect(await kinds({ artifactId: many[101] })).toEqual(['delete'])
    expect(await kinds({ project: parseProjectName('Acme/Other') })).toEqual(['delete'])
  })

  test('an upload that replaces an artifact is recorded with the id that now has the name', async () => {
    const run = await seedRun(store())
    const first = await seedArtifact(store(), run, { a: 'one' })
    const next = await seedArtifact(store(), run, { a: 'two' }, { onConflict: 'replace', by })
    expect(await acts()).toMatchObject([
      { kind: 'replace', artifactIds: [first.id], details: { replacedBy: next.id }, by },
    ])
    expect((await store().findArtifact(first.id))?.removedBy).toEqual(by)
  })

  test('a change of settings is recorded with the old values of those that change', async () => {
    const { id } = await store().ensureProject(parseProjectName('acme/app'), 1)
    await store().setProjectPolicy(id, { strict: true, quotaBytes: null }, 2, author)
    await store().setProjectPolicy(id, { strict: true, keepLatest: ['main/*'] }, 3, author)
    expect((await acts()).map(({ details }) => details)).toEqual([
      { before: { keepLatest: null }, after: { keepLatest: ['main/*'] } },
      { before: { strict: null }, after: { strict: true } },
    ])
  })

  test('deleting the records of a run or a job is recorded once', async () => {
    const [first, second] = [
      await seedRun(store(), { number: 3 }),
      await seedRun(store(), { number: 3, attempt: 2 }),
    ]
    const events = ['a', 'b'].map((key) => {
      return { type: 'job-named', at: 1, job: { key, id: key, name: key } } as const
    })
    for (const { id } of [first, second])
      await store().appendRunEvents(id, { recording: 'r', sequence: 0, events }, 1, author)
    expect(await store().removeRunJob(first.id, 'missing', author)).toBe(false)
    await store().removeRunJob(first.id, 'a', author)
    await store().removeRunRecords(first.projectId, 3, author)
    expect((await acts()).map(({ kind, details }) => [kind, details])).toEqual([
      ['delete-run', { run: 3 }],
      ['delete-job', { run: 3, job: 'a' }],
    ])
  })

  test('a recording that replaces another is an act', async () => {
    const { id } = await seedRun(store(), { number: 3 })
    for (const recording of ['r', 'r', 's'])
      await store().appendRunEvents(id, { recording, sequence: 0, events: [] }, 1, author)
    expect((await acts()).map(({ kind, details, by }) => [kind, details, by])).toEqual([
      ['delete-run', { run: 3 }, author.by],
    ])
  })

  test('acts are listed in pages, by kind and since an instant, and old ones are deleted', async () => {
    for (let at = 1; at <= 300; at++) {
      const kind = at % 100 === 0 ? 'gc' : 'scrub'
      await store().recordAct({ at, by: null }, { kind, project: null })
    }
    const newest = await store().listActs({}, { limit: 2 })
    expect(newest.map(({ at }) => at)).toEqual([300, 299])
    const before = newest.at(-1)!.id
    expect((await store().listActs({}, { limit: 1, before })).map(({ at }) => at)).toEqual([298])
    expect((await acts({ kind: 'gc' })).map(({ at }) => at)).toEqual([300, 200, 100])
    expect((await acts({ kind: 'gc', since: 200 })).map(({ at }) => at)).toEqual([300, 200])
    expect(await acts({ project: parseProjectName('acme/app') })).toEqual([])
    expect(await store().purgeActs(250, 120)).toBe(120)
    expect(await store().purgeActs(250, 1_000)).toBe(130)
    expect((await acts()).map(({ at }) => at)).toEqual(
      Array.from({ length: 50 }, (_, index) => 300 - index),
    )
  })
}
