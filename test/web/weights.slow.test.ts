/** No page exceeds 30 KiB as sent, nor its scripts their budget, whatever it shows: the longest
 *  lists, files that are large or incompressible, logs, and the longest names. */
import { gunzipSync } from 'node:zlib'
import { get } from 'node:http'
import { beforeAll, expect, test } from 'vitest'
import { strToU8, zipSync } from 'fflate'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { createRandom } from '../lifecycle/random-world.ts'
import type { TarEntry } from '../http/archives-of.ts'
import { openSharedServer } from '../http/open-server.ts'

const pageBytesMax = 30 * 1024
const scriptBytesMax = 15 * 1024
/** The page of uploads hashes what is chosen. */
const uploadBytesMax = 18 * 1024
const random = createRandom(1)
const sharedText = 'the same in all of them'

/** Text that hardly compresses, like digests and ids in logs. */
function words(count: number): string {
  return Array.from({ length: count }, () => Math.floor(random() * 1e9).toString(36)).join(' ')
}

const lines = (count: number, length: number): string =>
  Array.from({ length: count }, (_, index) => `${index} ${words(length)}`).join('\n')

function failures(): string {
  const test = (): string =>
    `<testcase classname="${words(40)}" name="${words(40)}"><failure message="${words(80)}">${words(600)}</failure></testcase>`
  return Array.from({ length: 400 }, test).join('')
}

function files(version: number): TarEntry[] {
  const json = Object.fromEntries(Array.from({ length: 2500 }, () => [words(1), words(1)]))
  const members = Array.from({ length: 2000 }, () => [`${words(6)}.txt`, strToU8('x')] as const)
  return [
    { name: 'short-lines.log', content: lines(40_000, 1) },
    { name: 'long-lines.log', content: lines(2000, 40) },
    { name: 'one-line.txt', content: words(100_000) },
    { name: 'large.log', content: lines(90_000, 4) },
    { name: 'colours.log', content: lines(9000, 3).replaceAll(/ (\w)/g, ' \u001b[31m$1\u001b[0m') },
    { name: 'data.json', content: JSON.stringify(json) },
    { name: 'events.ndjson', content: `${JSON.stringify(json)}\n`.repeat(600) },
    { name: 'table.csv', content: lines(3000, 12).replaceAll(' ', ',') },
    { name: 'README.md', content: lines(4000, 6).replaceAll('\n', '\n\n') },
    { name: 'archive.zip', content: Buffer.from(zipSync(Object.fromEntries(members))) },
    { name: 'one-line.js', content: `${words(60_000)}${version}` },
    { name: 'junit.xml', content: `<testsuite>${failures()}</testsuite>` },
    { name: 'lcov.info', content: lines(2000, 6).replaceAll(/.+/g, 'SF:$&\nLF:9\nLH:8') },
    { name: 'changed.txt', content: `${version}\n${lines(1500, 12)}` },
    ...Array.from({ length: 100 }, () => ({
      name: `many/${words(40).replaceAll(' ', '')}`,
      content: words(3),
    })),
    ...Array.from({ length: 1500 }, (_, index) => ({
      name: `${'long/'.repeat(10)}${words(12)}-${index}.js`,
      content: words(3),
    })),
  ]
}

const server = await openSharedServer()
let cookie: string
let base: number
let head: number
beforeAll(async () => {
  cookie = `trove_session=${await server.token({ project: undefined, scope: 'admin' }, 'session')}`
  const put = async (project: string, place: string, entries: TarEntry[]): Promise<number> => {
    const facts = `branch=${words(4).replaceAll(' ', '-')}&workflow=${words(4).replaceAll(' ', '-')}&sha=${'4f1d2c3b5a'.repeat(4)}`
    return await server.put(`/api/v1/projects/${project}/runs/${place}?${facts}`, {
      tar: entries,
      token: await server.token({ project, scope: 'write' }),
    })
  }
  base = await put('octo/app', '1/artifacts/site', files(1))
  head = await put('octo/app', '2/artifacts/site', files(2))
  const named: number[] = []
  for (let index = 0; index < 120; index++) {
    const name = `${words(20)}-${index}`
    const id = await put('octo/app', `3/artifacts/${encodeURIComponent(name)}`, [
      { name: 'shared.txt', content: sharedText },
      { name: 'a', content: words(4) },
    ])
    named.push(id)
    await put(`octo/project-${words(2).replace(' ', '-')}`, '1/artifacts/a', [
      { name: 'a', content: words(4) },
    ])
    await put('octo/app', `${100 + index}/artifacts/a`, [{ name: 'a', content: words(4) }])
  }
  // A bulk action lists the first of its artifacts in the audit log.
  for (let index = 0; index + 4 <= named.length; index += 2) {
    const ids = named.slice(index, index + 4).map((id): [string, string] => ['id', `${id}`])
    const answer = await server.visit('/octo/app/artifacts', undefined, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', origin: server.url },
      body: new URLSearchParams([['action', 'keep'], ...ids]).toString(),
    })
    expect(answer.status).toBe(303)
  }
  const at = server.clock.now
  const events = Array.from({ length: 20 }, (_, number) => {
    const key = `job-${number}`
    const line = (text: string) => ({ type: 'line', at, job: key, step: 1, kind: 'output', text })
    return [
      { type: 'job-named', at, job: { key, id: key, name: words(6) } },
      { type: 'job-started', at, job: key },
      { type: 'step-started', at, job: key, step: { number: 1, name: words(6) } },
      ...lines(300, 8).split('\n').map(line),
      ...Array.from({ length: 10 }, (_, step) => {
        const annotation = { type: 'annotation', level: 'error', file: words(4), title: words(6) }
        return { ...annotation, at, job: key, step, message: words(500) }
      }),
      ...Array.from({ length: 5 }, (_, step) => {
        const text = `# ${words(6)}\n\n| a | b |\n|---|---|\n${lines(400, 6).replaceAll(' ', '|')}\n\n${words(3000)}\n`
        return { type: 'summary', at, job: key, step: step + 1, text: text.slice(0, 30_000) }
      }),
      { type: 'job-finished', at, job: key, conclusion: 'failure', durationMs: 1 },
    ]
  })
  let sequence = 0
  for (const batch of [[{ type: 'run-started', at }], ...events]) {
    await server.record(3, batch, { sequence })
    sequence += batch.length
  }
}, 120_000)
/** Requests gzip, as browsers do. */
async function fetchPage(path: string): Promise<Buffer> {
  return await new Promise((resolve, reject) => {
    const headers = { cookie, 'accept-encoding': 'gzip' }
    get(new URL(path, server.url), { headers }, (response) => {
      const pieces: Buffer[] = []
      response.on('data', (piece: Buffer) => pieces.push(piece))
      response.on('end', () => {
        expect([path, response.statusCode]).toEqual([path, 200])
        resolve(Buffer.concat(pieces))
      })
    }).on('error', reject)
  })
}

test('no page exceeds its weight', async () => {
  const artifact = `/octo/app/actions/runs/2/artifacts/${head}`
  const compare = `/octo/app/compare/${base}...${head}`
  const shared = digestOf(sharedText)
  const paths = [
    '/',
    '/octo/app',
    '/octo/app/artifacts',
    '/octo/app/search?path=**',
    '/octo/app/trends',
    '/octo/app/storage',
    '/octo/app/settings',
    '/octo/app/settings/retention?days=0',
    '/octo/app/settings/audit',
    '/octo/app/upload',
    '/octo/app/actions/runs/2',
    '/octo/app/actions/runs/3',
    '/octo/app/actions/runs/3/attempts/1/jobs/job-7',
    artifact,
    `${artifact}/tree/${'long/'.repeat(10)}`,
    `${artifact}/changes`,
    `${artifact}/sizes/many`,
    `${artifact}/used`,
    `${artifact}/details`,
    `${artifact}/delete`,
    compare,
    `${compare}?file=changed.txt`,
    `${compare}?file=one-line.js`,
    '/admin/storage',
    '/admin/maintenance',
    '/admin/audit',
    '/admin/tokens',
    '/account',
    '/octo/app/settings/tokens',
    `/find?digest=${shared}`,
    ...files(1)
      .slice(0, 14)
      .map(({ name }) => `${artifact}/blob/${name}`),
  ]
  const weights: Record<string, number> = {}
  for (const path of paths) {
    const bytes = await fetchPage(path)
    expect(gunzipSync(bytes).toString()).toContain('</html>')
    weights[path] = bytes.length
  }
  const heavy = Object.entries(weights).filter(([, bytes]) => bytes > pageBytesMax)
  expect(heavy).toEqual([])
  // A page is not cut more than necessary.
  const log = weights[`${artifact}/blob/long-lines.log`] ?? 0
  expect(log).toBeGreaterThan(pageBytesMax / 2)
  const job = weights['/octo/app/actions/runs/3/attempts/1/jobs/job-7'] ?? 0
  expect(job).toBeGreaterThan(pageBytesMax / 2)
})

test('no page loads more script than its budget, including workers', async () => {
  const scripts: Record<string, number> = {}
  for (const path of ['/octo/app', '/octo/app/upload', '/find', '/admin/maintenance']) {
    const html = gunzipSync(await fetchPage(path)).toString()
    let total = 0
    for (const [, source = ''] of html.matchAll(/"(\/assets\/[^"]+\.js)"/g))
      total += (await fetchPage(source)).length
    scripts[path] = total
  }
  const isHeavy = ([path, bytes]: [string, number]): boolean =>
    bytes > (path === '/octo/app/upload' ? uploadBytesMax : scriptBytesMax)
  expect(Object.entries(scripts).filter(isHeavy)).toEqual([])
})
