/** Jobs in GitHub's REST API, with the requests of `gh run view`. */
import { strFromU8, unzipSync } from 'fflate'
import { beforeAll, expect, test } from 'vitest'
import type { RecordedEvent } from '../../src/core/run/run-record.ts'
import { noise, zipOf } from './archives.ts'
import { failedRun, recordRun } from './record-run.ts'
import { openRig, type Caller, type Rig } from './rig.ts'

let rig: Rig
let reader: Caller

const base = '/repos/octo/demo/actions'

/** Run 1 failed and has a second attempt; run 2 has no record. */
beforeAll(async () => {
  rig = await openRig()
  await recordRun({ url: rig.url, token: await rig.token({ workflow: 'CI' }) }, 1, failedRun)
  await recordRun({ url: rig.url, token: await rig.token({ attempt: 2 }) }, 1, [
    { type: 'job-named', at: 5000, job: { key: 'test', id: 'test', name: 'again' } },
  ])
  await (await rig.as({ run: 2 })).upload('site', zipOf({ a: 'x' }))
  reader = await rig.as({ scope: 'read', run: undefined, job: undefined })
  return rig.close
})

interface Listed {
  total_count: number
  jobs: { id: number; name: string; url: string }[]
}

async function jobsOf(path: string): Promise<Listed> {
  const response = await reader.rest(`${base}/${path}`)
  expect([path, response.status]).toEqual([path, 200])
  return (await response.json()) as Listed
}

test('the jobs of a run are listed with their steps, conclusions and times', async () => {
  const { total_count, jobs } = await jobsOf('runs/1/attempts/1/jobs')
  const at = (second: number): string => `1970-01-01T00:00:0${second}Z`
  const done = { status: 'completed', started_at: at(1) }
  expect(total_count).toBe(2)
  expect(jobs).toMatchObject([
    {
      ...done,
      name: 'test / unit',
      run_id: 1,
      run_attempt: 1,
      run_url: `${rig.url}${base}/runs/1`,
      html_url: `${rig.url}/octo/demo/actions/runs/1/attempts/1`,
      workflow_name: 'CI',
      conclusion: 'failure',
      completed_at: at(3),
      steps: [
        { ...done, number: 1, name: 'npm ci', conclusion: 'success', completed_at: at(2) },
        { ...done, number: 2, name: 'npm test', conclusion: 'failure', completed_at: at(2) },
      ],
    },
    {
      name: 'deploy',
      status: 'completed',
      conclusion: 'skipped',
      started_at: null,
      completed_at: null,
      steps: [],
    },
  ])
})

test('without an attempt the jobs of the newest one are listed, and an unrecorded run has none', async () => {
  const { jobs } = await jobsOf('runs/1/jobs?filter=latest')
  expect(jobs).toMatchObject([{ name: 'again', run_attempt: 2, status: 'queued' }])
  expect(await jobsOf('runs/2/jobs')).toEqual({ total_count: 0, jobs: [] })
  expect((await reader.rest(`${base}/runs/3/jobs`)).status).toBe(404)
  expect((await reader.rest(`${base}/runs/1/jobs?filter=all`)).status).toBe(400)
})

test('jobs are paged', async () => {
  const response = await reader.rest(`${base}/runs/1/attempts/1/jobs?per_page=1&page=2`)
  expect(await response.json()).toMatchObject({ total_count: 2, jobs: [{ name: 'deploy' }] })
  expect(response.headers.get('link')).toContain('rel="prev"')
})

test('a job is found by its id, and its log is text', async () => {
  const [job] = (await jobsOf('runs/1/attempts/1/jobs')).jobs
  expect(job?.url).toBe(`${rig.url}${base}/jobs/${job?.id}`)
  expect(await (await reader.rest(`${base}/jobs/${job?.id}`)).json()).toEqual(job)
  const log = await reader.rest(`${base}/jobs/${job?.id}/logs`, { redirect: 'follow' })
  expect(log.headers.get('content-type')).toMatch(/^text\/plain/)
  expect(await log.text()).toMatch(/this is npm ci\n.*this is npm test\n$/)
  expect((await reader.rest(`${base}/jobs/99`)).status).toBe(404)
})

/** The members of the zip of logs with their texts, without timestamps. */
async function logsOf(path: string): Promise<Record<string, string>> {
  const response = await reader.rest(`${base}/${path}`)
  expect([path, response.status]).toEqual([path, 200])
  const members = Object.entries(unzipSync(new Uint8Array(await response.arrayBuffer())))
  return Object.fromEntries(
    members.map(([name, bytes]) => [name, strFromU8(bytes).replaceAll(/^\S+Z /gm, '')]),
  )
}

test('the logs of a run are a zip with a folder per job and a file per step', async () => {
  expect(await logsOf('runs/1/attempts/1/logs')).toEqual({
    'test  unit/1_npm ci.txt': 'this is npm ci\n',
    'test  unit/2_npm test.txt': 'this is npm test\n',
  })
  expect(await logsOf('runs/1/logs')).toEqual({})
  expect((await reader.rest(`${base}/runs/2/logs`)).status).toBe(404)
})

test('logs of many pages are complete, whatever the names of jobs and however their steps are mixed', async () => {
  const texts: Record<string, string> = { 1: '', 2: '' }
  const named = (key: string, name: string): RecordedEvent => ({
    type: 'job-named',
    at: 1,
    job: { key, id: key, name },
  })
  const lines = Array.from({ length: 400 }, (_, index): RecordedEvent => {
    const step = index < 150 || index % 100 === 0 ? 1 : 2
    const text = `${index} ${noise(500, index).toString('hex')}`
    texts[step] += `${text}\n`
    return { type: 'line', at: 1, job: 'a', step, kind: 'output', text }
  })
  const own = (job: string): Extract<RecordedEvent, { type: 'line' }> => ({
    type: 'line',
    at: 1,
    job,
    step: 0,
    kind: 'output',
    text: job,
  })
  await recordRun({ url: rig.url, token: await rig.token({ run: 5 }) }, 5, [
    named('a', '..'),
    named('b', 'ü: x/y'),
    named('c', 'ü x/y'),
    ...[1, 2].map((number): RecordedEvent => {
      return { type: 'step-started', at: 1, job: 'a', step: { number, name: `step ${number}` } }
    }),
    ...lines,
    { ...own('a'), step: 7 },
    own('b'),
    own('c'),
  ])
  const [, , third] = (await jobsOf('runs/5/jobs')).jobs
  expect(await logsOf('runs/5/logs')).toEqual({
    'job/0_job.txt': 'a\n',
    'job/1_step 1.txt': texts[1],
    'job/2_step 2.txt': texts[2],
    'ü xy/0_job.txt': 'b\n',
    [`ü xy (${third?.id})/0_job.txt`]: 'c\n',
  })
})

test('a caller who may not read a run learns nothing of its jobs', async () => {
  const [job] = (await jobsOf('runs/1/jobs')).jobs
  const stranger = await rig.as({ project: 'octo/other' })
  const ofOtherRun = await rig.as({ run: 2, scope: 'run' })
  for (const path of [
    'runs/1/jobs',
    'runs/1/attempts/1/jobs',
    'runs/1/logs',
    `jobs/${job?.id}`,
    `jobs/${job?.id}/logs`,
  ])
    for (const caller of [stranger, ofOtherRun])
      expect([path, (await caller.rest(`${base}/${path}`)).status]).toEqual([path, 404])
  const elsewhere = await stranger.rest(`/repos/octo/other/actions/jobs/${job?.id}`)
  expect(elsewhere.status).toBe(404)
})

test('annotations of a job are listed as those of its check run', async () => {
  const annotation = { type: 'annotation', at: 1, job: 'test', step: 1 } as const
  await recordRun({ url: rig.url, token: await rig.token({ run: 3 }) }, 3, [
    { type: 'job-named', at: 1, job: { key: 'test', id: 'test', name: 'test' } },
    { type: 'job-named', at: 1, job: { key: 'lint', id: 'lint', name: 'lint' } },
    { ...annotation, level: 'error', message: 'no', title: 'T', file: 'a.c', line: 3, column: 5 },
    { ...annotation, level: 'notice', message: 'done' },
    { ...annotation, job: 'lint', level: 'warning', message: 'of another job' },
  ])
  const id = (await jobsOf('runs/3/jobs')).jobs[0]?.id ?? 0
  const path = `/repos/octo/demo/check-runs/${id}/annotations`
  const first = {
    path: 'a.c',
    start_line: 3,
    end_line: 3,
    start_column: 5,
    end_column: 5,
    annotation_level: 'failure',
    title: 'T',
    message: 'no',
    raw_details: '',
  }
  const second = { path: '.github', start_line: 1, annotation_level: 'notice', message: 'done' }
  expect(await (await reader.rest(path)).json()).toMatchObject([first, second])
  expect(await (await reader.rest(`${path}?per_page=1&page=2`)).json()).toMatchObject([second])
  const stranger = await rig.as({
    scope: 'read',
    project: 'octo/other',
    run: undefined,
    job: undefined,
  })
  expect((await stranger.rest(path)).status).toBe(404)
})
