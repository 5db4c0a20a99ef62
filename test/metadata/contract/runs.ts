import { expect, test } from 'vitest'
import { parseArtifactName } from '../../../src/core/artifact.ts'
import { limits } from '../../../src/core/limits.ts'
import type { ProjectPolicy } from '../../../src/core/policy/project-policy.ts'
import { parseProjectName, noFacts } from '../../../src/core/run/run.ts'
import type { Store } from '../metadata-contract.ts'
import { seedArtifact, seedReportedRun, seedRun } from '../seed.ts'

export function runsContract(store: Store): void {
  test('a project is found in any case, and keeps its first spelling', async () => {
    const made = await store().ensureProject(parseProjectName('Acme/App'), 5)
    expect(made).toMatchObject({ name: 'Acme/App', onConflict: null, createdAt: 5 })
    expect(await store().ensureProject(parseProjectName('acme/APP'), 6)).toEqual(made)
    expect(await store().findProject(parseProjectName('ACME/app'))).toEqual(made)
    expect(await store().findProject(parseProjectName('acme/other'))).toBeUndefined()
  })

  const listedNames = async (): Promise<string[]> =>
    (await store().listProjects({ after: 0, limit: 10 })).map(({ name }) => name)

  test('projects are listed by name', async () => {
    for (const project of ['b/b', 'A/z', 'a/a'])
      await seedReportedRun(store(), { number: 1, project })
    const all = await store().listProjects({ after: 0, limit: 10 })
    expect(all.map(({ name }) => name)).toEqual(['a/a', 'A/z', 'b/b'])
    const [first, second, last] = all
    expect(await store().listProjects({ after: 0, limit: 2 })).toEqual([first, second])
    expect(await store().listProjects({ after: second!.id, limit: 2 })).toEqual([last])
    expect(await store().listProjects({ after: last!.id, limit: 2 })).toEqual([])
    const nothing = { artifacts: 0, files: 0, logicalBytes: 0, chunkBytes: 0 }
    expect(last).toEqual({ id: last!.id, name: 'b/b', createdAt: expect.any(Number), ...nothing })
  })

  // Goal: an upload that is refused, and one that breaks off, leave no project to be seen.
  test('a project is listed while a run of it would be, or one of its settings is set', async () => {
    const run = await seedRun(store(), { number: 1, project: 'a/b' })
    expect(await listedNames()).toEqual([])
    const { id } = await seedArtifact(store(), run, { a: 'a' })
    expect(await listedNames()).toEqual(['a/b'])
    await store().removeArtifacts([id], { state: 'deleted', reason: 'deleted', now: 5000 })
    expect(await listedNames()).toEqual(['a/b'])
    const settings: ProjectPolicy = {
      onConflict: 'reject',
      retentionDefaultMs: 1,
      retentionMinMs: 1,
      retentionMaxMs: 1,
      quotaBytes: 0,
      strict: false,
      keepLatest: [],
    }
    const other = await store().ensureProject(parseProjectName('c/d'), 1)
    for (const [name, value] of Object.entries(settings)) {
      await store().setProjectPolicy(other.id, { [name]: value }, 2)
      expect([name, await listedNames()]).toEqual([name, ['a/b', 'c/d']])
      await store().setProjectPolicy(other.id, { [name]: null }, 2)
      expect([name, await listedNames()]).toEqual([name, ['a/b']])
    }
  })

  test('a policy is set and cleared', async () => {
    const { id, name } = await store().ensureProject(parseProjectName('a/b'), 1)
    await store().setProjectPolicy(id, { onConflict: 'replace' }, 2)
    expect((await store().findProject(name))?.onConflict).toBe('replace')
    await store().setProjectPolicy(id, { onConflict: null }, 3)
    expect((await store().findProject(name))?.onConflict).toBeNull()
  })

  test('a run is created once, with its project', async () => {
    const identity = { project: parseProjectName('a/b'), number: 7, attempt: 2 }
    const run = await store().ensureRun(identity, noFacts, 3)
    expect(run).toMatchObject({ ...identity, ...noFacts, createdAt: 3 })
    expect(await store().ensureRun(identity, noFacts, 4)).toEqual(run)
    expect((await store().findProject(identity.project))?.id).toBe(run.projectId)
  })

  test('facts fill what was unknown and never change what is known', async () => {
    const identity = { project: parseProjectName('a/b'), number: 7, attempt: 1 }
    await store().ensureRun(identity, { ...noFacts, branch: 'main' }, 1)
    const later = { ...noFacts, branch: 'other', sha: 'abc', event: 'push' }
    const run = await store().ensureRun(identity, later, 2)
    expect(run).toMatchObject({ branch: 'main', sha: 'abc', event: 'push', workflow: null })
    expect(await store().findRun(run.projectId, 7)).toEqual(run)
    const ofPullRequest = { ordinal: 12, pullRequest: 34, headSha: 'def', actor: 'octocat' }
    const told = await store().ensureRun(identity, { ...noFacts, ...ofPullRequest }, 3)
    expect(told).toEqual({ ...run, ...ofPullRequest })
    const others = { ordinal: 1, pullRequest: 1, headSha: '', actor: 'mallory' }
    expect(await store().ensureRun(identity, { ...noFacts, ...others }, 4)).toEqual(told)
  })

  test('without an attempt the newest one is found', async () => {
    const first = await seedRun(store(), { number: 7, attempt: 1 })
    const third = await seedRun(store(), { number: 7, attempt: 3 })
    await seedRun(store(), { number: 7, attempt: 2 })
    expect(await store().findRun(first.projectId, 7)).toEqual(third)
    expect(await store().findRun(first.projectId, 7, 1)).toEqual(first)
    expect(await store().findRun(first.projectId, 7, 9)).toBeUndefined()
    expect(await store().findRun(first.projectId + 1, 7)).toBeUndefined()
  })

  test('runs are listed newest first, page by page, without those of other projects', async () => {
    const runs = []
    for (const number of [30, 10, 20]) runs.unshift(await seedReportedRun(store(), { number }))
    await seedReportedRun(store(), { project: 'other/one', number: 40 })
    const { projectId } = runs[0]!
    expect(await store().listRuns(projectId, { limit: 10 })).toEqual(runs)
    const firstPage = await store().listRuns(projectId, { limit: 2 })
    expect(firstPage).toEqual(runs.slice(0, 2))
    const rest = await store().listRuns(projectId, { limit: 2, before: firstPage.at(-1)!.id })
    expect(rest).toEqual(runs.slice(2))
  })

  // Goal: an upload that is refused, and one that breaks off, leave no run to be seen.
  test('a run without artifacts or a record is neither listed nor found as the newest attempt', async () => {
    const used = await seedRun(store(), { number: 7, attempt: 1, branch: 'main' })
    const empty = await seedRun(store(), { number: 7, attempt: 2, branch: 'refused' })
    const { projectId } = used
    const page = { limit: 10, filter: { newestAttempts: true } as const }
    expect(await store().listRuns(projectId, page)).toEqual([])
    expect(await store().findRun(projectId, 7)).toEqual(empty)
    const { id } = await seedArtifact(store(), used, { a: 'a' })
    expect(await store().listRuns(projectId, page)).toEqual([used])
    expect(await store().findRun(projectId, 7)).toEqual(used)
    expect(await store().listRunFacts(projectId, 'branch', 10)).toEqual(['main'])
    await store().removeArtifacts([id], { state: 'deleted', reason: 'deleted', now: 5000 })
    expect(await store().listRuns(projectId, page)).toEqual([used])
    await store().appendRunEvents(empty.id, { recording: 'a', sequence: 0, events: [] }, 5000)
    expect(await store().listRuns(projectId, page)).toEqual([empty])
    expect(await store().findRun(projectId, 7)).toEqual(empty)
  })

  /** Purges a few runs at a time; returns the numbers of those that stay. */
  async function runsAfter(usedBy: number): Promise<number[]> {
    for (let after: number | null = 0; after !== null;)
      after = await store().purgeRuns(usedBy, { after, limit: 1 })
    const { id } = await store().ensureProject(parseProjectName('acme/app'), 1)
    const numbers = []
    for (let number = 1; number <= 204; number++)
      if ((await store().findRun(id, number)) !== undefined) numbers.push(number)
    return numbers
  }

  test('a run that has nothing left is deleted', async () => {
    for (let number = 1; number <= 120; number++) await seedRun(store(), { number })
    const [live, removed, reported, promised] = [
      await seedRun(store(), { number: 201 }),
      await seedRun(store(), { number: 202 }),
      await seedRun(store(), { number: 203 }),
      await seedRun(store(), { number: 204 }),
    ]
    await seedArtifact(store(), live, { a: 'a' })
    const { id } = await seedArtifact(store(), removed, { a: 'a' })
    await store().removeArtifacts([id], { state: 'deleted', reason: 'deleted', now: 5000 })
    await store().appendRunEvents(reported.id, { recording: 'a', sequence: 0, events: [] }, 5000)
    const upload = { id: 'u', runId: promised.id, job: 'build', name: parseArtifactName('dist') }
    await store().createUpload({
      ...upload,
      mimeType: null,
      requestedExpiresAt: null,
      onConflict: 'reject',
      takeoverMs: 0,
      now: 5000,
    })
    expect(await runsAfter(6000)).toEqual([201, 202, 203, 204])
    await store().purgeTombstones(6000, 10)
    await store().purgeRunRecords(6000, 10)
    expect(await store().removeUpload('u')).toBe(true)
    expect(await runsAfter(6000)).toEqual([201])
  })

  // A client that has just found the run relies on its id until the commit.
  test('a run that was used again is not deleted, whenever it was created', async () => {
    const identity = { project: parseProjectName('acme/app'), number: 7, attempt: 1 }
    const made = await store().ensureRun(identity, noFacts, 1000)
    const later = 1000 + limits.runUseMs
    expect(await store().ensureRun(identity, noFacts, later)).toEqual(made)
    expect(await runsAfter(later - 1)).toEqual([7])
    expect(await runsAfter(later)).toEqual([])
    expect(await store().findRun(made.projectId, 7)).toBeUndefined()
    expect(await store().ensureRun(identity, noFacts, later + 1)).toMatchObject({ number: 7 })
  })

  test('concurrent requests create one project and one run', async () => {
    const identity = { project: parseProjectName('a/b'), number: 1, attempt: 1 }
    const runs = await Promise.all(
      Array.from({ length: 8 }, () => store().ensureRun(identity, noFacts, 1)),
    )
    expect(new Set(runs.map((run) => run.id)).size).toBe(1)
    expect(new Set(runs.map((run) => run.projectId)).size).toBe(1)
  })
}
