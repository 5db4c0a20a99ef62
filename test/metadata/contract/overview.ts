import { expect, test } from 'vitest'
import { digestOf } from '../../../src/core/bytes/digest.ts'
import { limits } from '../../../src/core/limits.ts'
import type { Run, RunFilter, RunState } from '../../../src/metadata/metadata.ts'
import type { Store } from '../metadata-contract.ts'
import { seedArtifact, seedReportedRun, seedRun } from '../seed.ts'

const now = 3_000

/** Queries of pages across artifacts and runs. */
export function overviewContract(store: Store): void {
  test('sums cover what the same filter lists', async () => {
    const run = await seedRun(store(), { number: 1, branch: 'main' })
    await seedArtifact(store(), run, { a: '12345' }, { name: 'app-Linux' })
    await seedArtifact(store(), run, { a: '123' }, { name: 'docs' })
    const { projectId } = run
    expect(await store().sumArtifacts({ projectId }, now)).toMatchObject({
      artifacts: 2,
      logicalBytes: 8,
    })
    expect(await store().sumArtifacts({ nameContains: 'linux' }, now)).toMatchObject({
      artifacts: 1,
      logicalBytes: 5,
    })
    expect(await store().sumArtifacts({ nameContains: '%' }, now)).toEqual({
      artifacts: 0,
      logicalBytes: 0,
      newBytes: 0,
    })
    for (const [filter, artifacts] of [
      [{ projectId }, 2],
      [{ projectId, name: 'docs' }, 1],
      [{ nameContains: '%' }, 0],
    ] as const)
      expect(await store().countArtifacts(filter, now)).toBe(artifacts)
    expect(await store().sumRuns([run.id, 999], now)).toMatchObject([
      { runId: run.id, artifacts: 2, logicalBytes: 8 },
    ])
  })

  test('filters by pin, tree and age select accordingly', async () => {
    const run = await seedRun(store(), { number: 1 })
    const one = await seedArtifact(store(), run, { a: 'same' }, { name: 'one' })
    const two = await seedArtifact(store(), run, { a: 'same' }, { name: 'two' })
    await seedArtifact(store(), run, { a: 'other' }, { name: 'three' })
    await store().setRetention(two.id, { pinned: true })
    const names = async (filter: Parameters<ReturnType<Store>['listArtifacts']>[0]) => {
      const page = { limit: 10, offset: 0, sort: 'name', now } as const
      return (await store().listArtifacts(filter, page)).artifacts.map(({ name }) => name)
    }
    expect(await names({ pinned: true })).toEqual(['two'])
    expect(await names({ pinned: false })).toEqual(['one', 'three'])
    expect(await names({ manifestId: one.manifestId })).toEqual(['one', 'two'])
    expect(await names({ beforeId: two.id })).toEqual(['one'])
    expect(await names({ createdBefore: one.createdAt })).toEqual([])
    expect(await names({ createdBefore: one.createdAt + 1, pinned: true })).toEqual(['two'])
  })

  test('runs are filtered by newest attempt, by state, and by creation time', async () => {
    const recording = { recording: 'r', sequence: 0 }
    const started = { type: 'run-started', at: 1 } as const
    const runs = []
    for (const [number, attempt] of [
      [1, 1],
      [2, 1],
      [3, 1],
      [4, 1],
      [2, 2],
    ] as const)
      runs.push(await seedRun(store(), { number, attempt, branch: 'main' }))
    const [failed, again, running, queued] = runs as [Run, Run, Run, Run]
    for (const { id } of [failed, again]) {
      const ended = { type: 'run-finished', at: 2, conclusion: 'failure', durationMs: 1 } as const
      await store().appendRunEvents(id, { ...recording, events: [started, ended] }, 2_000)
    }
    await store().appendRunEvents(running.id, { ...recording, events: [started] }, 2_000)
    await store().appendRunEvents(queued.id, { ...recording, events: [] }, 2_000)
    await seedArtifact(store(), runs.at(-1)!, { a: 'a' })
    const seen = (is: RunState, at = 2_000): { is: RunState; now: number } => ({ is, now: at })
    const numbers = async (filter: RunFilter): Promise<string[]> =>
      (await store().listRuns(failed.projectId, { limit: 10, filter })).map(
        ({ number, attempt }) => `${number}.${attempt}`,
      )
    expect(await numbers({ newestAttempts: true })).toEqual(['2.2', '4.1', '3.1', '1.1'])
    expect(await numbers({ state: seen('failure') })).toEqual(['2.1', '1.1'])
    expect(await numbers({ state: seen('failure'), newestAttempts: true })).toEqual(['1.1'])
    expect(await numbers({ state: seen('completed'), branch: 'main' })).toEqual(['2.1', '1.1'])
    expect(await numbers({ state: seen('success') })).toEqual([])
    expect(await numbers({ state: seen('in_progress') })).toEqual(['3.1'])
    expect(await numbers({ state: seen('queued') })).toEqual(['4.1'])
    expect(await numbers({ state: seen('stale') })).toEqual([])
    const silent = 2_000 + limits.recordSilenceMs
    expect(await numbers({ state: seen('stale', silent) })).toEqual(['4.1', '3.1'])
    expect(await numbers({ state: seen('completed', silent) })).toHaveLength(4)
    expect(await numbers({ state: seen('in_progress', silent) })).toEqual([])
    const { createdAt } = failed
    expect(await numbers({ createdSince: createdAt, newestAttempts: true })).toHaveLength(4)
    expect(await numbers({ createdSince: createdAt + 1 })).toEqual([])
    expect(await numbers({ createdBefore: createdAt })).toEqual([])
  })

  test('runs are filtered by pull request, by its head, and by who started them', async () => {
    const merged = { pullRequest: 34, sha: 'merge', headSha: 'head', actor: 'OctoCat' }
    const { projectId } = await seedReportedRun(store(), { number: 1, ...merged })
    await seedReportedRun(store(), { number: 2, sha: 'head', actor: 'hubot' })
    await seedReportedRun(store(), { number: 3, sha: 'merge' })
    const numbers = async (filter: RunFilter): Promise<number[]> =>
      (await store().listRuns(projectId, { limit: 10, filter })).map(({ number }) => number)
    expect(await numbers({ pullRequest: 34 })).toEqual([1])
    expect(await numbers({ headSha: 'head' })).toEqual([2, 1])
    // The merge of a pull request is not its head.
    expect(await numbers({ headSha: 'merge' })).toEqual([3])
    expect(await numbers({ actor: 'octocat' })).toEqual([1])
    expect(await store().listRunFacts(projectId, 'actor', 10)).toEqual(['hubot', 'OctoCat'])
  })

  test('runs are filtered by whether they belong to a pull request, and by live artifacts', async () => {
    const run = await seedReportedRun(store(), { number: 1, event: 'push' })
    const untrusted = await seedReportedRun(store(), { number: 2, event: 'pull_request' })
    await seedReportedRun(store(), { number: 3 })
    const { id } = await seedArtifact(store(), run, { a: 'a' }, { name: 'gone' })
    await seedArtifact(store(), untrusted, { a: 'a' }, { name: 'live' })
    const { projectId } = run
    const numbers = async (filter: RunFilter): Promise<number[]> =>
      (await store().listRuns(projectId, { limit: 10, filter })).map(({ number }) => number)
    expect(await numbers({ isOfPullRequest: true })).toEqual([2])
    expect(await numbers({ isOfPullRequest: false })).toEqual([3, 1])
    expect(await numbers({ withArtifactsAt: now })).toEqual([2, 1])
    expect(await numbers({ withArtifactsAt: now, isOfPullRequest: false })).toEqual([1])
    await store().removeArtifacts([id], { state: 'deleted', reason: 'deleted', now })
    expect(await numbers({ withArtifactsAt: now })).toEqual([2])
  })

  test('the run of a recorded job is found', async () => {
    const run = await seedRun(store(), { number: 1 })
    const named = { type: 'job-named', at: 1, job: { key: 'k', id: 'j', name: 'n' } } as const
    await store().appendRunEvents(run.id, { recording: 'r', sequence: 0, events: [named] }, 2_000)
    const [job] = (await store().findRunRecord(run.id, 2_000))!.jobs
    expect(await store().findRunOfJob(job!.id)).toEqual(run)
    expect(await store().findRunOfJob(job!.id + 1)).toBeUndefined()
  })

  test('runs are filtered by their facts, and the values of a fact are listed most recent first', async () => {
    const first = await seedReportedRun(store(), { number: 1, branch: 'main' })
    await seedReportedRun(store(), { number: 2, branch: 'dev' })
    await seedReportedRun(store(), { number: 3, branch: 'main' })
    await seedReportedRun(store(), { project: 'other/repo', number: 4, branch: 'theirs' })
    const { projectId } = first
    const page = { limit: 10, filter: { branch: 'main' } }
    expect((await store().listRuns(projectId, page)).map(({ number }) => number)).toEqual([3, 1])
    expect(await store().listRunFacts(projectId, 'branch', 10)).toEqual(['main', 'dev'])
    expect(await store().listRunFacts(projectId, 'branch', 1)).toEqual(['main'])
  })

  test('holders of a digest are live artifacts, newest first, of some projects when these are given', async () => {
    const run = await seedRun(store(), { number: 1 })
    const other = await seedRun(store(), { project: 'other/repo', number: 1 })
    const one = await seedArtifact(store(), run, { a: 'wanted', b: 'more' }, { name: 'one' })
    const two = await seedArtifact(store(), run, { 'deep/z': 'wanted' }, { name: 'two' })
    const theirs = await seedArtifact(store(), other, { a: 'wanted' }, { name: 'theirs' })
    const gone = await seedArtifact(store(), run, { c: 'wanted', d: 'x' }, { name: 'gone' })
    await store().removeArtifacts([gone.id], { state: 'deleted', reason: 'deleted', now })
    const holders = async (projectIds: number[] | null, limit = 10) =>
      (await store().listHolders(digestOf('wanted'), { projectIds, now, limit })).map(
        ({ id }) => id,
      )
    expect(await holders(null)).toEqual([theirs.id, two.id, one.id])
    expect(await holders([run.projectId])).toEqual([two.id, one.id])
    expect(await holders([run.projectId, other.projectId], 2)).toEqual([theirs.id, two.id])
    expect(await holders([])).toEqual([])
    expect(await holders(null, 1)).toEqual([theirs.id])
    expect(
      await store().listHolders(digestOf('nothing'), { projectIds: null, now, limit: 9 }),
    ).toEqual([])
  })

  test('uploads per day include artifacts that have ended', async () => {
    const run = await seedRun(store(), { number: 1 })
    const dayMs = 86_400_000
    const seed = async (name: string, createdAt: number) =>
      await seedArtifact(store(), run, { a: name }, { name, createdAt })
    const dead = await seed('dead', 2 * dayMs)
    await seed('alive', 2 * dayMs + 1)
    await seed('later', 5 * dayMs)
    await seed('before', dayMs)
    await store().removeArtifacts([dead.id], {
      state: 'deleted',
      reason: 'deleted',
      now: 6 * dayMs,
    })
    const days = await store().listUploadDays(run.projectId, 2 * dayMs)
    expect(days.toSorted((a, b) => a.day - b.day)).toEqual([
      { day: 2, logicalBytes: 9 },
      { day: 5, logicalBytes: 5 },
    ])
  })
}
