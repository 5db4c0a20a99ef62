/** Annotations and summaries of recorded runs, over HTTP. */
import { expect, test } from 'vitest'
import { runDetailSchema } from '../../src/api/run-record.ts'
import { limits } from '../../src/core/limits.ts'
import { openSharedServer, problemOf } from './open-server.ts'
import { annotation, summary } from './step-events.ts'

const server = await openSharedServer()
let lastRun = 100

const named = (key: string) => ({ type: 'job-named', at: 1, job: { key, id: key, name: key } })

async function record(run: number, sequence: number, events: unknown[]): Promise<Response> {
  return await server.send(`/api/v1/projects/octo/app/runs/${run}/record`, {
    method: 'PUT',
    json: { recording: '0'.repeat(32), sequence, events },
  })
}

async function jobsOf(run: number): Promise<unknown> {
  const response = await server.send(`/api/v1/runs/${run}`)
  return runDetailSchema.parse(await response.json()).record?.jobs
}

test('a run lists the annotations of its jobs, and links to their summaries', async () => {
  const run = lastRun++
  await record(run, 0, [
    named('build'),
    named('lint'),
    annotation({ file: 'a.c', line: 2, title: 'T' }),
    summary('# One'),
    summary('two', { step: 3 }),
  ])
  const nowhere = { endLine: null, column: null, endColumn: null }
  const summaryUrl = `${server.url}/api/v1/runs/${run}/jobs/build/summary?project=octo%2Fapp&attempt=1`
  expect(await jobsOf(run)).toMatchObject([
    {
      key: 'build',
      summaryUrl,
      annotations: [
        { step: 1, level: 'error', message: 'm', title: 'T', file: 'a.c', line: 2, ...nowhere },
      ],
    },
    { key: 'lint', summaryUrl: null, annotations: [] },
  ])
  const response = await server.send(summaryUrl)
  expect(response.headers.get('content-type')).toBe('text/markdown; charset=utf-8')
  expect(response.headers.get('x-content-type-options')).toBe('nosniff')
  expect(await response.text()).toBe('# One\n\ntwo')
  expect(await (await server.send(`/api/v1/runs/${run}/jobs/lint/summary`)).text()).toBe('')
})

test('a summary is read only by those who may read the run, and only of a known job', async () => {
  const run = lastRun++
  await record(run, 0, [named('build'), summary('# One')])
  const path = `/api/v1/runs/${run}/jobs/build/summary?project=octo/app`
  const stranger = await server.token({ project: 'octo/other' })
  expect((await server.send(path, { token: stranger })).status).toBe(404)
  expect((await server.send(path, { token: await server.token({}) })).status).toBe(200)
  expect((await server.send(`/api/v1/runs/${run}/jobs/other/summary`)).status).toBe(404)
})

test.each([
  ['a level that does not exist', annotation({ level: 'debug' })],
  ['a long message', annotation({ message: 'x'.repeat(limits.annotationCharactersMax + 1) })],
  ['a line before the first', annotation({ line: 0 })],
  ['a long piece of a summary', summary('x'.repeat(limits.logLineCharactersMax + 1))],
  ['a summary of the job itself', summary('x', { step: 0 })],
])('%s is rejected', async (_name, event) => {
  const run = lastRun++
  const answer = await record(run, 0, [named('build'), event])
  expect(await problemOf(answer)).toMatchObject({ status: 400, code: 'invalid_request' })
})

test('both are deleted with their job', async () => {
  const run = lastRun++
  const end = { type: 'job-finished', at: 2, job: 'build', conclusion: 'failure', durationMs: 1 }
  await record(run, 0, [named('build'), annotation({}), summary('# One'), end])
  const path = `/api/v1/runs/${run}/jobs/build`
  expect((await server.send(path, { method: 'DELETE' })).status).toBe(204)
  expect(await jobsOf(run)).toEqual([])
  expect((await server.send(`${path}/summary`)).status).toBe(404)
})

test('both belong to their attempt, and are deleted with the run', async () => {
  const run = lastRun++
  const path = `/api/v1/runs/${run}`
  for (const attempt of [1, 2]) {
    const token = await server.token({ scope: 'run', run, job: 'j', attempt })
    const message = `of attempt ${attempt}`
    const events = [named('build'), annotation({ message }), summary(message)]
    const answer = await server.send(`/api/v1/projects/octo/app/runs/${run}/record`, {
      method: 'PUT',
      token,
      json: { recording: '0'.repeat(32), sequence: 0, events },
    })
    expect(answer.status).toBe(200)
  }
  const summaryOf = async (query: string): Promise<[number, string]> => {
    const response = await server.send(`${path}/jobs/build/summary${query}`)
    return [response.status, response.ok ? await response.text() : '']
  }
  expect(await summaryOf('')).toEqual([200, 'of attempt 2'])
  expect(await summaryOf('?attempt=1')).toEqual([200, 'of attempt 1'])
  expect(await jobsOf(run)).toMatchObject([{ annotations: [{ message: 'of attempt 2' }] }])
  expect((await server.send(path, { method: 'DELETE' })).status).toBe(200)
  for (const query of ['', '?attempt=1']) expect(await summaryOf(query)).toEqual([404, ''])
})
