/** The jobs on the page of a run: as many as fit, the urgent ones first. The page is refreshed
 *  while the run is in progress. */
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { openSharedServer } from '../http/open-server.ts'
import { annotation } from '../http/step-events.ts'
import { createRandom } from '../lifecycle/random-world.ts'

const server = await openSharedServer()
const random = createRandom(3)
let lastRun = 500

async function record(events: object[]): Promise<number> {
  const run = lastRun++
  const token = await server.token({ scope: 'run', run, job: '__record', attempt: 1 })
  await server.record(run, events, { token })
  return run
}

function words(count: number): string {
  return Array.from({ length: count }, () => Math.floor(random() * 1e9).toString(36)).join(' ')
}

const named = (key: string): object => ({
  type: 'job-named',
  at: 1,
  job: { key, id: key, name: `${key} ${words(6)}` },
})
const ended = (job: string, conclusion: string): object => ({
  type: 'job-finished',
  at: 9,
  job,
  conclusion,
  durationMs: 8,
})
const finished = { type: 'run-finished', at: 9, conclusion: 'success', durationMs: 8 }

/** A job with steps of random names. */
function job(key: string, steps: number, conclusion: string): object[] {
  const numbers = Array.from({ length: steps }, (_, index) => index + 1)
  return [
    named(key),
    { type: 'job-started', at: 1, job: key },
    ...numbers.map((number) => {
      return { type: 'step-started', at: 1, job: key, step: { number, name: words(4) } }
    }),
    ended(key, conclusion),
  ]
}

function keysOn(html: string): string[] {
  return [...html.matchAll(/<details class="job" id="job-\d+" data-fold="([^"]+)"/g)].map(
    ([, key]) => key!,
  )
}

test('a page shows as many jobs as fit, failed ones first, and pages lead to all of them', async () => {
  const keys = Array.from({ length: 256 }, (_, index) => `job-${index}`)
  const run = await record([
    ...keys.flatMap((key) => job(key, 6, key === 'job-200' ? 'failure' : 'success')),
    finished,
  ])
  const seen: string[] = []
  let path = `/octo/app/actions/runs/${run}`
  for (let turn = 0; path !== ''; turn++) {
    const html = await server.page(path)
    expect(gzipSync(html).length).toBeLessThan(30 * 1024)
    expect(html).toContain('256 jobs, of which ')
    const keysHere = keysOn(html)
    expect(keysHere.length).toBeGreaterThan(0)
    if (turn === 0) expect(keysHere[0]).toBe('job-200')
    seen.push(...keysHere)
    path = /href="([^"#]*)#jobs"[^>]*>\s*More jobs/.exec(html)?.[1]?.replaceAll('&amp;', '&') ?? ''
  }
  expect(seen.toSorted()).toEqual(keys.toSorted())
})

test('the steps of a job that is too long for a page are cut', async () => {
  const run = await record([...job('build', 900, 'success'), ...job('lint', 1, 'success')])
  const html = await server.page(`/octo/app/actions/runs/${run}`)
  expect(gzipSync(html).length).toBeLessThan(30 * 1024)
  const shown = html.match(/<p class="step" /g)!.length
  expect(shown).toBeGreaterThan(20)
  expect(html).toContain(`${900 - shown} more steps of this job`)
  expect(keysOn(await server.page(`/octo/app/actions/runs/${run}?jobs=1`))).toEqual(['lint'])
  expect(keysOn(await server.page(`/octo/app/actions/runs/${run}?jobs=2`))).toEqual(['build'])
})

test('a few jobs are in the order of the workflow', async () => {
  const run = await record([...job('a', 1, 'success'), ...job('b', 1, 'failure')])
  const html = await server.page(`/octo/app/actions/runs/${run}`)
  expect(keysOn(html)).toEqual(['a', 'b'])
  expect(html).not.toContain('of which')
})

test('a page is refreshed while the run is in progress', async () => {
  const running = await record([...job('a', 1, 'success'), named('b')])
  const live = / id="(\w+)"[^>]* data-live="([^"]*)"/g
  const parts = [...(await server.page(`/octo/app/actions/runs/${running}`)).matchAll(live)]
  expect(parts.map(([, id]) => id)).toEqual([
    'facts',
    'annotated',
    'artifacts',
    'summarized',
    'progress',
  ])
  expect(parts.at(-1)![2]).toBe('1 of 2 jobs ended')
  const over = await record([...job('a', 1, 'success'), finished])
  expect(await server.page(`/octo/app/actions/runs/${over}`)).not.toContain('data-live')
})

test('the page of a run lists few annotations, and links to the pages of jobs for the others', async () => {
  const of = (key: string, level: string): object[] => [
    named(key),
    ...Array.from({ length: 10 }, (_, step) => annotation({ job: key, step, level })),
  ]
  const run = await record([...of('a', 'warning'), ...of('b', 'error'), ...of('c', 'error')])
  const path = `/octo/app/actions/runs/${run}`
  const html = await server.page(path)
  expect(html.match(/<span class="badge error">/g)).toHaveLength(20)
  expect(html).not.toContain('<span class="badge warning">')
  expect(html).toContain('10 more annotations are in the logs and on the pages of the jobs.')
  expect(html).toContain(`href="${path}/attempts/1/jobs/a">10 annotations of a `)
  expect((await server.page(`${path}/attempts/1/jobs/a`)).match(/badge warning/g)).toHaveLength(10)
})

test('a page says that a run has as many annotations as are kept', async () => {
  const keys = Array.from({ length: 21 }, (_, index) => `job-${index}`)
  const of = (key: string): object[] => [
    named(key),
    ...Array.from({ length: 50 }, (_, index) => annotation({ job: key, step: index % 10 })),
  ]
  const run = await record(keys.flatMap(of))
  const path = `/octo/app/actions/runs/${run}`
  const note = 'the first 1,000 of a run are kept'
  expect(await server.page(path)).toContain(note)
  // The last job has none because the others used them up.
  expect(await server.page(`${path}/attempts/1/jobs/job-20`)).toContain(note)
  const few = await record([named('build'), annotation({})])
  expect(await server.page(`/octo/app/actions/runs/${few}`)).not.toContain(note)
})
