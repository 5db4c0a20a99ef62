/** Records of runs, over HTTP and on pages. */
import { describe, expect, test } from 'vitest'
import { runDetailSchema } from '../../src/api/run-record.ts'
import { limits } from '../../src/core/limits.ts'
import type { RecordedEvent } from '../../src/core/run/run-record.ts'
import { openSharedServer, problemOf, type SendRequest, type TestServer } from './open-server.ts'
import { runJob } from './run-job.ts'

const server = await openSharedServer()
let lastRun = 100

const recording = '0123456789abcdef0123456789abcdef'
const job = { key: 'build-1', id: 'build', name: '<b>build</b> (1)' }

function line(
  text: string,
  kind: 'output' | 'error' | 'group' | 'endgroup' = 'output',
): RecordedEvent {
  return { type: 'line', at: 1000, job: job.key, step: 1, kind, text }
}

async function sendEvents(
  run: number,
  sequence: number,
  events: unknown[],
  request: SendRequest = {},
): Promise<Response> {
  return await server.send(`/api/v1/projects/octo/app/runs/${run}/record`, {
    method: 'PUT',
    json: { recording, sequence, events },
    ...request,
  })
}

async function runPage(run: number): Promise<string> {
  return await (await server.visit(`/octo/app/actions/runs/${run}`)).text()
}

const step = { number: 1, name: 'Run <i>make</i>' }
const beginning: RecordedEvent[] = [
  { type: 'run-started', at: 1000 },
  { type: 'job-named', at: 1000, job },
  { type: 'job-started', at: 1000, job: job.key },
  { type: 'step-started', at: 1000, job: job.key, step },
]

describe('the record of a run', () => {
  test('is sent in batches that may be repeated, and returned with jobs, steps and log', async () => {
    const run = lastRun++
    expect(await (await sendEvents(run, 0, beginning)).json()).toEqual({ nextSequence: 4 })
    const rest = [
      line('Compile', 'group'),
      line('\u001b[31mred\u001b[0m & <script>'),
      line('', 'endgroup'),
      {
        type: 'step-finished',
        at: 3000,
        job: job.key,
        step,
        conclusion: 'failure',
        durationMs: 2000,
      },
    ]
    for (let time = 0; time < 2; time++) {
      expect(await (await sendEvents(run, 4, rest)).json()).toEqual({ nextSequence: 8 })
    }
    const response = await server.send(`/api/v1/runs/${run}`)
    const detail = runDetailSchema.parse(await response.json())
    expect(detail).toMatchObject({ number: run, project: 'octo/app', attempt: 1 })
    expect(detail.record).toMatchObject({
      state: 'running',
      jobs: [
        {
          key: 'build-1',
          state: 'running',
          logLines: 3,
          steps: [{ ...step, state: 'completed', conclusion: 'failure', durationMs: 2000 }],
        },
      ],
    })
    const log = await server.send(detail.record?.jobs[0]?.logUrl ?? '')
    expect(log.headers.get('content-type')).toBe('text/plain; charset=utf-8')
    expect(await log.text()).toBe(
      '1970-01-01T00:00:01.000Z ##[group]Compile\n' +
        '1970-01-01T00:00:01.000Z \u001b[31mred\u001b[0m & <script>\n' +
        '1970-01-01T00:00:01.000Z ##[endgroup]\n',
    )
  })

  test('is shown on the page of the run, escaped and without escape sequences, next to the artifacts', async () => {
    const run = lastRun++
    await server.put(`${run}/dist`)
    expect(await runPage(run)).not.toContain('id="jobs"')
    await sendEvents(run, 0, [
      ...beginning,
      line('Compile', 'group'),
      line('\u001b[31mred\u001b[0m <hr>'),
      line('no rule', 'error'),
    ])
    await sendEvents(run, 7, [
      {
        type: 'step-finished',
        at: 3000,
        job: job.key,
        step,
        conclusion: 'failure',
        durationMs: 125_000,
      },
      { type: 'job-finished', at: 3000, job: job.key, conclusion: 'failure', durationMs: 125_000 },
    ])
    const html = await runPage(run)
    expect(html).toContain('archive.zip')
    expect(html).toMatch(/<dt>Outcome<\/dt><dd><span class="badge running">.*id="artifacts"/s)
    expect(html).toContain('&lt;b&gt;build&lt;/b&gt; (1)')
    expect(html).toContain('Run &lt;i&gt;make&lt;/i&gt;')
    expect(html).toMatch(
      /<summary>Compile<\/summary><pre class="log tail" tabindex="0"><span>red &lt;hr&gt;\n<span class="error">Error: no rule\n/,
    )
    expect(html).toContain(
      '<span class="badge failure">failure</span> <span class="quiet duration">2m 05s',
    )
    expect(html).toContain(`/api/v1/runs/${run}/jobs/build-1/log?project=octo%2Fapp&amp;attempt=1`)
    expect(html).not.toMatch(/<b>build|<i>make|<hr>/)
    expect(html).not.toContain('\u001b')
  })

  test('has a page per attempt, which links to the previous one', async () => {
    const run = lastRun++
    const log = (attempt: number): string =>
      `/api/v1/runs/${run}/jobs/build-1/log?project=octo%2Fapp&amp;attempt=${attempt}`
    const path = `/octo/app/actions/runs/${run}/attempts`
    for (const attempt of [1, 2]) {
      const token = await server.token({ scope: 'run', run, job: 'j', attempt })
      await sendEvents(run, 0, [...beginning, line('a line')], { token })
    }
    const newest = await runPage(run)
    expect(newest).toContain(log(2))
    expect(newest).toContain(`<a href="${path}/1">1</a>`)
    const first = await (await server.visit(`${path}/1`)).text()
    expect(first).toContain(log(1))
    expect(first).not.toContain(`${path}/`)
    expect((await server.visit(`${path}/3`)).status).toBe(404)
  })

  test('shows in the list of runs how each recorded run ended', async () => {
    const [ended, going, unknown] = [lastRun++, lastRun++, lastRun++]
    await sendEvents(ended, 0, [
      ...beginning,
      { type: 'run-finished', at: 4000, conclusion: 'failure', durationMs: 3000 },
    ])
    await sendEvents(going, 0, beginning)
    await server.put(`/api/v1/projects/octo/app/runs/${unknown}/artifacts/dist`)
    const html = await (await server.visit('/octo/app')).text()
    const badgesOf = (run: number): string[] => {
      const cell = new RegExp(`<th scope="row"><a href="[^"]*/${run}/attempts/1">.*?</th>`).exec(
        html,
      )?.[0]
      return [...(cell ?? '').matchAll(/<span[^>]*>([^<]*)/g)].map(([, text = '']) => text.trim())
    }
    expect(badgesOf(ended)).toEqual(['failure', '3.0s'])
    expect(badgesOf(going)).toEqual(['running'])
    expect(badgesOf(unknown)).toEqual([])
  })

  test('of a long log shows its end on the page and all of it as text', async () => {
    const run = lastRun++
    const lines = Array.from({ length: 900 }, (_, index) =>
      line(`line ${index} ${'x'.repeat(800)}`),
    )
    await sendEvents(run, 0, [...beginning, ...lines.slice(0, 450)])
    await sendEvents(run, 454, lines.slice(450))
    const html = await runPage(run)
    expect(html).not.toContain('line 0 ')
    expect(html).toContain('line 899 ')
    expect(html).toContain('only the end is shown')
    const log = await server.send(`/api/v1/runs/${run}/jobs/build-1/log`)
    expect((await log.text()).match(/ line \d+ /g)).toHaveLength(900)
  })

  test('can be written only by its run and attempt, or with scope write', async () => {
    const run = lastRun++
    const may = async (request: Parameters<TestServer['token']>[0]): Promise<number> =>
      (await sendEvents(run, 0, beginning, { token: await server.token(request) })).status
    expect(await may({ scope: 'read' })).toBe(403)
    expect(await may({ scope: 'job', run: run + 1, job: 'j' })).toBe(403)
    expect(await may({ scope: 'write', project: 'octo/other' })).toBe(404)
    const own = { scope: 'run', run, job: 'j', attempt: 2, branch: 'main' } as const
    expect(await may(own)).toBe(200)
    const detail = await (await server.send(`/api/v1/runs/${run}`)).json()
    expect(detail).toMatchObject({ attempt: 2, branch: 'main', record: { state: 'running' } })
    const stranger = await server.token({ project: 'octo/other' })
    for (const path of [`/api/v1/runs/${run}`, `/api/v1/runs/${run}/jobs/build-1/log`]) {
      const query = '?project=octo/app'
      expect((await server.send(path + query, { token: stranger })).status).toBe(404)
    }
    const first = await server.send(`/api/v1/runs/${run}?attempt=1`)
    expect(first.status).toBe(404)
  })

  test('rejects invalid events, a gap, and more than one request may carry', async () => {
    const run = lastRun++
    expect((await sendEvents(run, 0, [{ type: 'rumour', at: 1 }])).status).toBe(400)
    expect((await sendEvents(run, 0, [])).status).toBe(400)
    for (const key of ['', '.', '..', '.a', 'a/b', 'x'.repeat(256)]) {
      const named: RecordedEvent = { type: 'job-named', at: 1, job: { ...job, key } }
      expect((await sendEvents(run, 0, [named])).status).toBe(400)
    }
    const many = Array.from({ length: limits.runEventsMax + 1 }, () => line('x'))
    expect((await sendEvents(run, 0, many)).status).toBe(400)
    await sendEvents(run, 0, beginning)
    expect(await problemOf(await sendEvents(run, 5, [line('x')]))).toMatchObject({
      status: 409,
      code: 'session_ended',
    })
    expect((await server.send(`/api/v1/runs/${run}/jobs/other/log`)).status).toBe(404)
  })

  test('accepts the last instant that can be shown, and rejects the next', async () => {
    const run = lastRun++
    const last = Date.parse('9999-12-31T23:59:59.999Z')
    for (const at of [last + 1, 8.64e15 + 1]) {
      const late = [{ type: 'run-started', at }, ...beginning.slice(1), { ...line('x'), at }]
      expect(await problemOf(await sendEvents(run, 0, late))).toMatchObject({ status: 400 })
    }
    const told = [
      { type: 'run-started', at: last },
      ...beginning.slice(1),
      { ...line('x'), at: last },
    ]
    expect((await sendEvents(run, 0, told)).status).toBe(200)
    const detail = await (await server.send(`/api/v1/runs/${run}`)).json()
    expect(runDetailSchema.parse(detail).record?.startedAt).toBe('9999-12-31T23:59:59.999Z')
    const log = await server.send(`/api/v1/runs/${run}/jobs/build-1/log`)
    expect(await log.text()).toBe('9999-12-31T23:59:59.999Z x\n')
  })

  test('without events for an hour is stale, until there is another', async () => {
    const run = lastRun++
    await sendEvents(run, 0, beginning)
    const record = async (): Promise<unknown> => {
      const response = await server.send(`/api/v1/runs/${run}`)
      return runDetailSchema.parse(await response.json()).record
    }
    server.clock.now += limits.recordSilenceMs - 1
    expect(await record()).toMatchObject({ state: 'running' })
    server.clock.now += 1
    const stale = { state: 'completed', conclusion: 'stale' }
    const jobs = [{ ...stale, steps: [stale] }]
    expect(await record()).toMatchObject({ ...stale, jobs })
    const page = await runPage(run)
    expect(page).toMatch(
      /<span class="badge stale">stale<\/span>.*, its end was not reported, last update <time/,
    )
    expect(page).not.toContain('running')
    const list = await (await server.visit('/octo/app')).text()
    expect(list).toMatch(new RegExp(`>${run}</a><span class="badge stale">`))
    // The keep-alive of `trove run`.
    await sendEvents(run, 4, beginning.slice(0, 1))
    expect(await record()).toMatchObject({ state: 'running', jobs: [{ state: 'running' }] })
  })

  test('is deleted with the run, but not by a dry run', async () => {
    const run = lastRun++
    await sendEvents(run, 0, beginning)
    const record = async (): Promise<unknown> => {
      const response = await server.send(`/api/v1/runs/${run}`)
      return ((await response.json()) as { record: unknown }).record
    }
    const reader = await server.token({ scope: 'read' })
    const path = `/api/v1/runs/${run}`
    expect((await server.send(path, { method: 'DELETE', token: reader })).status).toBe(403)
    await server.send(`${path}?dryRun=1`, { method: 'DELETE' })
    expect(await record()).not.toBeNull()
    expect((await server.send(path, { method: 'DELETE' })).status).toBe(200)
    expect(await record()).toBeNull()
  })

  test('is removed with its run by garbage collection, 90 days after the last event', async () => {
    const run = lastRun++
    await sendEvents(run, 0, beginning)
    const detail = async (): Promise<unknown> =>
      await (await server.send(`/api/v1/runs/${run}`)).json()
    server.clock.now += limits.historyMs - 1000
    await runJob(server, 'gc', { now: true })
    expect(await detail()).toMatchObject({ record: { jobs: expect.any(Array) as unknown } })
    server.clock.now += 2000
    await runJob(server, 'gc', { now: true })
    expect(await detail()).toMatchObject({ status: 404, code: 'not_found' })
  })
})
