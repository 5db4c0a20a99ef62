/** Annotations and job summaries on pages. */
import { expect, test } from 'vitest'
import { limits } from '../../src/core/limits.ts'
import { openSharedServer } from '../http/open-server.ts'
import { annotation, summary } from '../http/step-events.ts'

const server = await openSharedServer()
let lastRun = 200

const named = (key: string, name = key): object => ({
  type: 'job-named',
  at: 1,
  job: { key, id: key, name },
})
const step = { number: 1, name: 'Run make' }
const started = { type: 'step-started', at: 1, job: 'build', step }

async function record(run: number, events: object[], event?: string): Promise<void> {
  const token = await server.token({
    scope: 'run',
    run,
    job: '__record',
    attempt: 1,
    ...(event !== undefined && { event }),
  })
  await server.record(run, events, { token })
}

async function page(path: string): Promise<string> {
  return await server.page(`/octo/app/actions/runs/${path}`)
}

/** Text of elements, without markup. */
function texts(html: string, pattern: RegExp): string[] {
  return [...html.matchAll(pattern)].map(([, inner = '']) =>
    inner.replaceAll(/<[^>]*>/g, ' ').trim(),
  )
}

test('the page of a run lists annotations with their places, errors first', async () => {
  const run = lastRun++
  await record(run, [
    named('build', 'build (1)'),
    started,
    annotation({ level: 'notice', step: 0, message: 'of the job' }),
    annotation({
      title: 'No <b>rule</b>',
      file: 'src/a.c',
      line: 3,
      message: 'one\ntwo \u001b[1m&',
    }),
    annotation({ level: 'warning', file: 'Makefile' }),
  ])
  const html = await page(`${run}`)
  const list = /<ul class="annotations">(.*?)<\/ul>/s.exec(html)?.[1] ?? ''
  expect(texts(list, /<span class="badge[^>]*>(.*?)<\/span>/gs)).toEqual([
    'error',
    'warning',
    'notice',
  ])
  expect(texts(list, /<code>(.*?)<\/code>/gs)).toEqual(['src/a.c:3', 'Makefile'])
  expect(texts(list, /<p>(.*?)<\/p>/gs)).toEqual(['one\ntwo &amp;', 'm', 'of the job'])
  const links = [...list.matchAll(/<a href="#([^"]+)">(.*?)<\/a>/gs)]
  expect(links.map(([, , text]) => text)).toEqual([
    'build (1): Run make',
    'build (1): Run make',
    'build (1)',
  ])
  // Each leads to the step, or the job, in the list of jobs.
  const names = links.map(([, id]) => new RegExp(`id="${id}".*?>([^<>]{2,})<`, 's').exec(html)?.[1])
  expect(names.map((name) => name?.trim())).toEqual(['Run make', 'Run make', 'build (1)'])
  expect(list).toContain('<strong>No &lt;b&gt;rule&lt;/b&gt;</strong>')
})

test('the page of a run shows summaries as Markdown, each step by itself, below the headings of the page', async () => {
  const run = lastRun++
  await record(run, [
    named('build'),
    named('lint'),
    summary('# Tests\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```\nnever closed'),
    summary('<script>alert(1)</script>\n\n**bold** [up](../../x) [out](https://example.com/)', {
      step: 2,
    }),
    summary('of lint', { job: 'lint' }),
  ])
  const html = await page(`${run}`)
  expect(texts(html, /<h3>(.*?)<\/h3>/g)).toEqual(['build', 'lint'])
  const [build = '', lint = ''] = [
    ...html.matchAll(/<div class="prose">(.*?)<\/div>\s*(?=<h3|<\/section)/gs),
  ].map(([, inner]) => inner)
  expect(build).toContain('<h4>Tests</h4>')
  expect(build).toContain('<td>1</td>')
  expect(build).toContain('&lt;script&gt;alert(1)&lt;/script&gt;')
  expect(build).toContain('<strong>bold</strong> <span>up</span>')
  expect(build).toContain('<a href="https://example.com/" rel="noreferrer nofollow ugc">out</a>')
  expect(lint.trim()).toBe('<p>of lint</p>')
  expect(html).not.toMatch(/More of the summary|are listed|in the logs/)
})

test('a long summary and long messages are cut on the page of a run, and shown further on that of the job', async () => {
  const run = lastRun++
  const rows = (count: number): string =>
    Array.from({ length: count }, (_, index) => `| row ${index} | ${Math.sin(index)} |`).join('\n')
  await record(run, [
    named('build'),
    summary(`# Rows\n\n| a | b |\n|---|---|\n${rows(1500)}\n`),
    annotation({ message: `${'x '.repeat(600)}end` }),
  ])
  const html = await page(`${run}`)
  const job = await page(`${run}/attempts/1/jobs/build`)
  const [onRun, onJob] = [html, job].map((each) => texts(each, /<td>(row \d+)<\/td>/g).length)
  expect(onRun).toBeGreaterThan(100)
  expect(onJob).toBeGreaterThan(2 * onRun!)
  expect(onJob).toBeLessThan(1500)
  expect(html).toContain(
    `<a href="/octo/app/actions/runs/${run}/attempts/1/jobs/build">More of the summary of build</a>`,
  )
  expect(html).not.toContain('x end')
  expect(job).toContain('x end')
  expect(job).toContain('only the beginning is shown')
  const link = /href="([^"]*\/summary\?[^"]*)"/.exec(job)?.[1]?.replaceAll('&amp;', '&') ?? ''
  expect(await (await server.send(link)).text()).toContain('| row 1499 |')
})

test('all jobs get a share of the space, and the page says how many have summaries that it does not show', async () => {
  const run = lastRun++
  const text = Array.from({ length: 200 }, (_, index) => `- ${Math.sin(index)}`).join('\n')
  const jobs = Array.from({ length: 60 }, (_, index) => `job-${index}`)
  await record(
    run,
    jobs.flatMap((key) => [named(key), summary(text, { job: key })]),
  )
  const html = await page(`${run}`)
  const shown = texts(html, /<h3>(.*?)<\/h3>/g)
  expect(shown.slice(0, 5)).toEqual(jobs.slice(0, 5))
  expect(html).toContain(
    `${60 - shown.length} more jobs have summaries, linked in the list of jobs.`,
  )
  expect(html).toContain(`/jobs/job-59">Summary of job-59</a>`)
})

test('more annotations than fit are counted', async () => {
  const run = lastRun++
  const words = (from: number): string =>
    Array.from({ length: 25 }, (_, index) => Math.sin(from + index)).join(' ')
  const events = Array.from({ length: limits.annotationsPerJobMax }, (_, index) =>
    annotation({ step: index % 5, message: words(100 * index) }),
  )
  await record(run, [named('build'), ...events])
  const html = await page(`${run}`)
  const shown = texts(html, /<li>\s*<span class="badge (error)"/g).length
  expect(shown).toBeGreaterThan(1)
  expect(html).toContain(
    `${50 - shown} more annotations are in the logs and on the pages of the jobs.`,
  )
  expect(html).toContain(
    'the first 50 of a job and the first 1,000 of a run are kept; the logs have all.',
  )
})

test('annotations and summaries of a pull request are shown below the warning that they are untrusted', async () => {
  const run = lastRun++
  await record(run, [named('build'), annotation({}), summary('# By a stranger')], 'pull_request')
  for (const path of [`${run}`, `${run}/attempts/1/jobs/build`])
    expect(await page(path)).toMatch(/This comes from a pull request.*annotations.*By a stranger/s)
})

test('a run without them has no such sections, and a job that is not recorded has no page', async () => {
  const run = lastRun++
  await record(run, [named('build')])
  expect(await page(`${run}`)).not.toMatch(/id="(annotations|summaries)"/)
  expect(await page(`${run}/attempts/1/jobs/build`)).not.toMatch(/id="(annotations|summary)"/)
  const path = `/octo/app/actions/runs/${run}/attempts/1/jobs/other`
  expect((await server.visit(path)).status).toBe(404)
})
