/** Pull requests, numbers and actors of runs in GitHub's REST API, with the requests of
 *  `dawidd6/action-download-artifact` and `gh run list`. */
import { beforeAll, expect, test } from 'vitest'
import type { TokenRequest } from '../../src/auth/token-request.ts'
import { zipOf } from './archives.ts'
import { runsOf } from './listed-runs.ts'
import { openRig, type Caller, type Rig } from './rig.ts'

let rig: Rig
let reader: Caller

const base = '/repos/octo/demo'
const [older, newer] = ['a'.repeat(40), 'b'.repeat(40)]
const merge = 'c'.repeat(40)

/** Run 1 is of the branch that pull request 34 is to be merged into. Runs 3 and 4 are of its head
 *  and build merges; 2 is of its earlier head, and repeated last. */
beforeAll(async () => {
  rig = await openRig()
  const facts = { workflow: 'CI', actor: 'octocat' }
  const ofPull = { ...facts, event: 'pull_request', branch: 'topic', pullRequest: 34 }
  await upload({ ...facts, run: 1, event: 'push', branch: 'main', sha: merge, ordinal: 11 })
  await upload({ ...ofPull, run: 3, sha: merge, headSha: newer, ordinal: 13 })
  await upload({ ...ofPull, run: 4, sha: merge, headSha: newer, workflow: 'Lint', ordinal: 1 })
  await upload({ ...ofPull, run: 2, attempt: 2, headSha: older, ordinal: 12, actor: 'hubot' })
  await upload({ ...ofPull, run: 5, pullRequest: 35, workflow: 'Label' })
  reader = await rig.as({ scope: 'read', run: undefined, job: undefined })
  return rig.close
})

async function upload(request: TokenRequest): Promise<void> {
  await (await rig.as(request)).upload('site', zipOf({ a: 'x' }))
}

async function numbersOf(path: string): Promise<number[]> {
  return (await runsOf(reader, `${base}/actions/${path}`)).map(({ id }) => id)
}

test('the head of a pull request is that of its newest run, and finds the runs of that head', async () => {
  const response = await reader.rest(`${base}/pulls/34`)
  const url = `${rig.url}${base}/pulls/34`
  expect(await response.json()).toEqual({ number: 34, url, head: { ref: 'topic', sha: newer } })
  expect(await numbersOf(`workflows/CI/runs?head_sha=${newer}`)).toEqual([3])
  expect(await numbersOf(`runs?head_sha=${newer}&event=pull_request`)).toEqual([4, 3])
})

test('the merge that a pull request builds is not its head', async () => {
  expect(await numbersOf(`runs?head_sha=${merge}`)).toEqual([1])
  const listed = await reader.rest(`${base}/actions/runs/3/artifacts`)
  expect(await listed.json()).toMatchObject({ artifacts: [{ workflow_run: { head_sha: newer } }] })
})

test('a pull request of which no commit is known is not found', async () => {
  for (const number of [35, 36]) {
    const response = await reader.rest(`${base}/pulls/${number}`)
    const message = `Not Found: no run of pull request ${number} is known`
    expect([response.status, await response.json()]).toEqual([404, { message, status: '404' }])
  }
})

test('a run has its number, who started it, and its pull request unless excluded', async () => {
  const [, , , of3] = await runsOf(reader, `${base}/actions/runs`)
  const pull = { number: 34, url: `${rig.url}${base}/pulls/34`, head: { ref: 'topic', sha: newer } }
  const actor = { login: 'octocat' }
  expect(of3).toMatchObject({
    id: 3,
    run_number: 13,
    head_sha: newer,
    actor,
    triggering_actor: actor,
    pull_requests: [pull],
  })
  const excluded = await runsOf(reader, `${base}/actions/runs?exclude_pull_requests=true`)
  expect(excluded[3]).toMatchObject({ id: 3, pull_requests: [] })
})

test('runs can be filtered by who started them, in any case', async () => {
  expect(await numbersOf('runs?actor=Hubot')).toEqual([2])
  expect(await numbersOf('runs?actor=octocat')).toEqual([5, 4, 3, 1])
  expect(await numbersOf('runs?actor=octo')).toEqual([])
})
