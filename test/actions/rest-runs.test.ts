/** Runs and workflows in GitHub's REST API, with the requests of
 *  `dawidd6/action-download-artifact` and `gh run`. */
import { beforeAll, expect, test } from 'vitest'
import type { TokenRequest } from '../../src/auth/token-request.ts'
import type { RecordedEvent } from '../../src/core/run/run-record.ts'
import { zipOf } from './archives.ts'
import { type ListedRun, runsOf } from './listed-runs.ts'
import { recordRun } from './record-run.ts'
import { openRig, type Caller, type Rig } from './rig.ts'

let rig: Rig
let reader: Caller

const sha = 'c'.repeat(40)
const base = '/repos/octo/demo'
const workflows = `${base}/actions/workflows`

/** Oldest first. Runs 3 and 4 have the same commit; 4 is of a pull request whose branch is
 *  called `main`; 2 has two attempts. */
beforeAll(async () => {
  rig = await openRig()
  const facts = { workflow: 'CI', branch: 'main', event: 'push' }
  await upload({ ...facts, run: 1, branch: 'release/1', workflow: '.github/workflows/release.yml' })
  await upload({ ...facts, run: 2 })
  await upload({ ...facts, run: 2, attempt: 2 })
  await upload({ ...facts, run: 3, sha })
  await upload({ ...facts, run: 4, sha, event: 'pull_request' })
  await record(2, 1, [
    { type: 'run-started', at: 1000 },
    { type: 'run-finished', at: 3000, conclusion: 'failure', durationMs: 2000 },
  ])
  await record(2, 2, [
    { type: 'run-started', at: 1000 },
    { type: 'run-finished', at: 3000, conclusion: 'success', durationMs: 2000 },
  ])
  await record(3, 1, [{ type: 'run-started', at: 1000 }])
  reader = await rig.as({ scope: 'read', run: undefined, job: undefined })
  return rig.close
})

async function upload(request: TokenRequest): Promise<void> {
  await (await rig.as(request)).upload(`site ${request.attempt ?? 1}`, zipOf({ a: 'x' }))
}

async function record(run: number, attempt: number, events: RecordedEvent[]): Promise<void> {
  const token = await rig.token({ run, attempt })
  await recordRun({ url: rig.url, token }, run, events)
}

async function numbersOf(path: string): Promise<number[]> {
  return (await runsOf(reader, path)).map(({ id }) => id)
}

test('the runs of a workflow can be filtered by branch, commit and event, newest first', async () => {
  expect(await numbersOf(`${workflows}/CI/runs`)).toEqual([4, 3, 2])
  expect(await numbersOf(`${workflows}/CI/runs?branch=main&event=push`)).toEqual([3, 2])
  expect(await numbersOf(`${workflows}/CI/runs?head_sha=${sha}`)).toEqual([4, 3])
  expect(await numbersOf(`${base}/actions/runs?branch=release%2F1`)).toEqual([1])
  expect(await numbersOf(`${base}/actions/runs?branch=none`)).toEqual([])
})

test('tags are named as at GitHub, and are found by that name where no branch has it', async () => {
  const facts = { workflow: 'Tags', event: 'push' }
  const ofProject = { project: 'octo/tags' }
  await upload({ ...facts, ...ofProject, run: 1, branch: 'refs/tags/v1' })
  await upload({ ...facts, ...ofProject, run: 2, branch: 'refs/tags/main' })
  await upload({ ...facts, ...ofProject, run: 3, branch: 'main' })
  const tagReader = await rig.as({ ...ofProject, scope: 'read', run: undefined, job: undefined })
  const found = async (branch: string): Promise<unknown> =>
    (await runsOf(tagReader, `/repos/octo/tags/actions/runs?branch=${branch}`)).map(
      ({ id, head_branch }) => [id, head_branch],
    )
  expect(await found('v1')).toEqual([[1, 'v1']])
  expect(await found('main')).toEqual([[3, 'main']])
})

test('a workflow without a name is found by its file, and the error for an unknown one lists the known ones', async () => {
  for (const name of ['release.yml', encodeURIComponent('.github/workflows/release.yml')])
    expect(await numbersOf(`${workflows}/${name}/runs`)).toEqual([1])
  const response = await reader.rest(`${workflows}/ci.yml/runs`)
  const message =
    'Not Found: no run of a workflow "ci.yml" is known; known workflows: CI, .github/workflows/release.yml'
  expect([response.status, await response.json()]).toEqual([404, { message, status: '404' }])
})

interface Workflow {
  id: number
  name: string | null
  path: string | null
  state: string
  url: string
}

test('workflows with known runs have numbers, which find them and their runs', async () => {
  const response = await reader.rest(workflows)
  const listed = (await response.json()) as { total_count: number; workflows: Workflow[] }
  const path = '.github/workflows/release.yml'
  expect(listed).toMatchObject({
    total_count: 2,
    workflows: [
      { name: 'CI', path: null, state: 'active' },
      { name: path, path, state: 'active' },
    ],
  })
  for (const workflow of listed.workflows) {
    const { url, id } = workflow
    expect(url).toBe(`${rig.url}${workflows}/${id}`)
    expect(await (await reader.rest(`${workflows}/${id}`)).json()).toEqual(workflow)
    const runs = await runsOf(reader, `${workflows}/${id}/runs`)
    expect(runs.map(({ workflow_id }) => workflow_id)).toEqual(runs.map(() => id))
    expect(runs).toHaveLength(workflow.name === 'CI' ? 3 : 1)
  }
  const byFile = (await (await reader.rest(`${workflows}/release.yml`)).json()) as Workflow
  expect(byFile).toEqual(listed.workflows[1])
  expect((await reader.rest(`${workflows}/7`)).status).toBe(404)
})

// `gh` reads null as 0, and shows no run if one workflow is not found.
test('the workflow of runs with an unknown workflow has no name', async () => {
  const response = await reader.rest(`${workflows}/0`)
  expect(await response.json()).toMatchObject({ id: 0, name: null, path: null })
  expect((await reader.rest(`${workflows}/0/runs`)).status).toBe(404)
})

test('runs can be filtered by conclusion and progress, in the newest attempt', async () => {
  const byStatus = async (status: string): Promise<number[]> =>
    await numbersOf(`${base}/actions/runs?status=${status}`)
  expect(await byStatus('success')).toEqual([2])
  expect(await byStatus('completed')).toEqual([2])
  expect(await byStatus('in_progress')).toEqual([3])
  expect(await byStatus('queued')).toEqual([])
  // The conclusion of an attempt that was repeated does not count.
  expect(await byStatus('failure')).toEqual([])
  expect(await byStatus('timed_out')).toEqual([])
})

test('runs can be filtered by creation time', async () => {
  const made = await runsOf(reader, `${base}/actions/runs`)
  const [newest, oldest] = [made[0]!.created_at, made.at(-1)!.created_at]
  const within = async (created: string): Promise<number[]> =>
    await numbersOf(`${base}/actions/runs?created=${encodeURIComponent(created)}`)
  const day = (at: string, days: number): string =>
    new Date(Date.parse(at) + days * 24 * 60 * 60 * 1000).toISOString().slice(0, 10)
  const all = [4, 3, 2, 1]
  expect(await within(`>=${day(oldest, 0)}`)).toEqual(all)
  expect(await within(`>${day(newest, 0)}`)).toEqual([])
  expect(await within(`<${day(oldest, 0)}`)).toEqual([])
  expect(await within(`<=${day(newest, 0)}`)).toEqual(all)
  expect(await within(`${day(oldest, 0)}..${day(newest, 0)}`)).toEqual(all)
  expect(await within(`*..${day(oldest, -1)}`)).toEqual([])
  expect(await within(`${oldest}..*`)).toEqual(all)
  expect(await within(day(newest, 1))).toEqual([])
})

test('a run is listed once, as its newest attempt, with the recorded conclusion, if any', async () => {
  const [of4, of3, of2] = await runsOf(reader, `${workflows}/CI/runs`)
  expect(of2).toMatchObject({ run_attempt: 2, status: 'completed', conclusion: 'success' })
  expect(of3).toMatchObject({ run_attempt: 1, status: 'in_progress', conclusion: null })
  expect(of4).toMatchObject({ status: null, conclusion: null })
})

test('the head repository of a pull request is unknown, since it can be a fork', async () => {
  const runs = await runsOf(reader, `${base}/actions/runs`)
  expect(runs.map(({ id, head_repository }) => [id, head_repository.full_name])).toEqual([
    [4, null],
    [3, 'octo/demo'],
    [2, 'octo/demo'],
    [1, 'octo/demo'],
  ])
  // The action compares it, case-sensitively, with the runner's repository name.
  const [first] = await runsOf(reader, '/repos/Octo/Demo/actions/runs?branch=release%2F1')
  expect(first).toMatchObject({ head_repository: { full_name: 'Octo/Demo' } })
})

test('pages link to each other', async () => {
  const seen: number[] = []
  let path: string | undefined = `${base}/actions/runs?per_page=3`
  while (path !== undefined) {
    const response: Response = await reader.rest(path)
    const page = (await response.json()) as { total_count: number; workflow_runs: ListedRun[] }
    expect(page.total_count).toBe(4)
    seen.push(...page.workflow_runs.map(({ id }) => id))
    const link = response.headers.get('link') ?? ''
    path = /<([^>]+)>; rel="next"/.exec(link)?.[1]?.slice(rig.url.length)
  }
  expect(seen).toEqual([4, 3, 2, 1])
})

test('one run names its workflow, below either base path', async () => {
  for (const prefix of ['', '/api/v3']) {
    const response = await reader.rest(`${prefix}${base}/actions/runs/3`)
    expect(await response.json()).toMatchObject({
      id: 3,
      name: 'CI',
      head_branch: 'main',
      head_sha: sha,
      event: 'push',
      run_number: null,
      actor: null,
      pull_requests: [],
      artifacts_url: `${rig.url}${prefix}${base}/actions/runs/3/artifacts`,
      html_url: `${rig.url}/octo/demo/actions/runs/3`,
    })
  }
  expect((await reader.rest(`${base}/actions/runs/99`)).status).toBe(404)
})

test('an earlier attempt of a run can be requested by number', async () => {
  const attempt = async (number: number): Promise<Response> =>
    await reader.rest(`${base}/actions/runs/2/attempts/${number}`)
  expect(await (await attempt(1)).json()).toMatchObject({ run_attempt: 1, conclusion: 'failure' })
  expect(await (await attempt(2)).json()).toMatchObject({ run_attempt: 2, conclusion: 'success' })
  const missing = await attempt(3)
  const message = 'Not Found: there is no attempt 3 of run 2'
  expect([missing.status, await missing.json()]).toEqual([404, { message, status: '404' }])
})

test('a branch exists if it has a run', async () => {
  const response = await reader.rest(`${base}/branches/release%2F1`)
  expect(await response.json()).toMatchObject({ name: 'release/1' })
  expect((await reader.rest(`${base}/branches/${sha}`)).status).toBe(404)
})

test.each([
  ['check_suite_id=7', 'filtering runs by check_suite_id is not supported'],
  ['status=sucess', 'there is no status "sucess"'],
  ['created=yesterday', '"yesterday" is not a date such as 2026-11-29 or 2026-11-29T10:00:00Z'],
  ['created=*..*..*', '"*..*" is not a date such as 2026-11-29 or 2026-11-29T10:00:00Z'],
])('a filter that is not supported is rejected, not ignored: %s', async (query, message) => {
  const response = await reader.rest(`${base}/actions/runs?${query}`)
  expect([response.status, await response.json()]).toEqual([400, { message, status: '400' }])
})

test('a caller who may not read a project learns nothing of its runs', async () => {
  const stranger = await rig.as({ project: 'octo/other' })
  const ofOneRun = await rig.as({ run: 3, scope: 'run' })
  for (const path of [
    'actions/runs',
    'actions/workflows',
    'actions/workflows/0',
    'actions/workflows/CI/runs',
    'actions/runs/4',
    'actions/runs/4/attempts/1',
    'branches/main',
    'pulls/4',
  ])
    for (const caller of [stranger, ofOneRun])
      expect([path, (await caller.rest(`${base}/${path}`)).status]).toEqual([path, 404])
  expect((await ofOneRun.rest(`${base}/actions/runs/3`)).status).toBe(200)
  expect((await fetch(`${rig.url}${base}/actions/runs`)).status).toBe(401)
})

test('a project without uploads has no runs, for callers who may read it', async () => {
  const fresh = await rig.as({ project: 'octo/fresh' })
  const response = await fresh.rest('/repos/octo/fresh/actions/runs')
  expect(await response.json()).toEqual({ total_count: 0, workflow_runs: [] })
  const none = await fresh.rest('/repos/octo/fresh/actions/workflows')
  expect(await none.json()).toEqual({ total_count: 0, workflows: [] })
})
