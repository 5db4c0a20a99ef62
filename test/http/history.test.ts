/** `GET /artifacts/{id}/history`, the command that prints it, and its page. */
import { beforeAll, describe, expect, test } from 'vitest'
import { historySchema } from '../../src/api/history-messages.ts'
import { runTroveInside } from '../cli/run-inside.ts'
import type { Outcome } from '../cli/run-trove.ts'
import { openSharedServer, problemOf } from './open-server.ts'

const server = await openSharedServer()

/** Content of `app.js` by run; null: the artifact does not have it. */
const contents = [null, 'one', 'one', 'two', null, 'one', 'one']
let ids: number[]

async function putRun(run: number, content: string | null): Promise<number> {
  return await server.put(`${run}/build?branch=main&sha=${String(run % 10).repeat(40)}`, {
    tar: [
      { name: 'other', content: String(run) },
      ...(content === null ? [] : [{ name: 'dist/app.js', content }]),
    ],
  })
}

beforeAll(async () => {
  ids = []
  for (const [index, content] of contents.entries()) ids.push(await putRun(index + 1, content))
  // Another branch, another name, and a fork's branch of the same name.
  await server.put('20/build?branch=topic', { tar: [{ name: 'dist/app.js', content: 'topic' }] })
  await server.put('21/else?branch=main', { tar: [{ name: 'dist/app.js', content: 'else' }] })
  await server.put('22/build?branch=main&event=pull_request', {
    tar: [{ name: 'dist/app.js', content: 'fork' }],
  })
})

interface Shown {
  content: string | null
  runs: [newest: number, oldest: number]
  artifacts: number
}

/** The whole history, page by page. */
async function historyOf(id: number, limit: number): Promise<Shown[]> {
  const shown: Shown[] = []
  for (let cursor: string | null = ''; cursor !== null;) {
    const query = new URLSearchParams({ path: 'dist/app.js', limit: String(limit) })
    if (cursor !== '') query.set('cursor', cursor)
    const response = await server.send(`/api/v1/artifacts/${id}/history?${query.toString()}`)
    const page = historySchema.parse(await response.json())
    expect(page.items.length).toBeLessThanOrEqual(limit)
    for (const { entry, newest, oldest, artifacts } of page.items) {
      const digest = entry?.kind === 'file' ? entry.digest : null
      shown.push({ content: digest, runs: [newest.run, oldest.run], artifacts })
    }
    cursor = page.nextCursor
  }
  return shown
}

const versionsSince = (id: number): [number, number, number][] => {
  const last = ids.indexOf(id) + 1
  const groups: { content: string | null; newest: number; oldest: number; count: number }[] = []
  for (let run = last; run >= 1; run--) {
    const content = contents[run - 1]!
    const group = groups.at(-1)
    if (group?.content === content) Object.assign(group, { oldest: run, count: group.count + 1 })
    else groups.push({ content, newest: run, oldest: run, count: 1 })
  }
  return groups.map(({ newest, oldest, count }) => [newest, oldest, count])
}

describe('the history of a file', () => {
  test.each([1, 2, 3, 50])('groups equal versions, %i to a page', async (limit) => {
    for (const id of ids.slice(1)) {
      const shown = await historyOf(id, limit)
      expect(shown.map(({ runs, artifacts }) => [...runs, artifacts])).toEqual(versionsSince(id))
    }
  })

  test('tells a mode, a symlink and a directory apart', async () => {
    const kinds = [
      { name: 'x', content: 'a' },
      { name: 'x', content: 'a', mode: 0o755 },
      { name: 'x', type: 'symlink' as const, linkname: 'a' },
      { name: 'x/below', content: 'a' },
    ]
    let last = 0
    for (const [index, entry] of kinds.entries())
      last = await server.put(`${30 + index}/kinds?branch=main`, { tar: [entry] })
    const response = await server.send(`/api/v1/artifacts/${last}/history?path=x`)
    const { items } = historySchema.parse(await response.json())
    expect(items.map(({ entry }) => entry && `${entry.kind} ${entry.mode}`)).toEqual([
      null,
      expect.stringMatching(/^symlink/),
      'file 0755',
      'file 0644',
    ])
  })

  test('leaves out deleted artifacts', async () => {
    const old = await putRun(40, 'x')
    const gone = await putRun(41, 'y')
    const last = await putRun(42, 'x')
    const write = await server.token({ scope: 'write' })
    await server.send(`/api/v1/artifacts/${gone}`, { method: 'DELETE', token: write })
    const [first] = await historyOf(last, 50)
    expect(first).toMatchObject({ runs: [42, 40], artifacts: 2 })
    for (const id of [old, last])
      await server.send(`/api/v1/artifacts/${id}`, { method: 'DELETE', token: write })
  })

  test('of a path that no artifact has is not found; a strange cursor is refused', async () => {
    const path = `/api/v1/artifacts/${ids[6]}/history`
    expect(await problemOf(await server.send(`${path}?path=nope`))).toMatchObject({
      status: 404,
      code: 'not_found',
    })
    expect(await problemOf(await server.send(`${path}?path=`))).toMatchObject({ status: 400 })
    const of2 = new URL(
      (await server.send(`${path}?path=dist/app.js&limit=1`)).headers
        .get('link')!
        .replace(/^<(.*)>.*$/, '$1'),
      server.url,
    ).searchParams.get('cursor')!
    const other = `/api/v1/artifacts/${ids[0]}/history?path=dist/app.js&cursor=${of2}`
    expect(await problemOf(await server.send(other))).toMatchObject({ status: 400 })
  })

  test('takes a token that reads the whole project', async () => {
    const path = `/api/v1/artifacts/${ids[6]}/history?path=dist/app.js`
    const ofRun = await server.token({ scope: 'run', run: 7, job: 'build' })
    expect((await server.send(path, { token: ofRun })).status).toBe(403)
    const foreign = await server.token({ project: 'other/app', scope: 'read' })
    expect((await server.send(path, { token: foreign })).status).toBe(404)
  })
})

describe('trove history', () => {
  const history = async (...args: string[]): Promise<Outcome> =>
    await runTroveInside(['history', ...args], {
      TROVE_URL: server.url,
      TROVE_TOKEN: await server.token(),
    })

  test('prints a line for each version', async () => {
    const { status, text } = await history('7/build:dist/app.js')
    expect(status).toBe(0)
    const rows = text.trimEnd().split('\n')
    expect(rows[0]).toMatch(/^SINCE +RUN +COMMIT +SIZE +MODE +CONTENT +ARTIFACTS$/)
    expect(rows.slice(1).map((row) => row.replace(/^.{16} +/, '').split(/ +/))).toEqual([
      ['6', '666666666666', '3', 'B', '0644', expect.stringMatching(/^sha256:/), '2'],
      ['5', '555555555555', '-', '-', '(absent)', '1'],
      ['4', '444444444444', '3', 'B', '0644', expect.stringMatching(/^sha256:/), '1'],
      ['2', '222222222222', '3', 'B', '0644', expect.stringMatching(/^sha256:/), '2'],
      ['1', '111111111111', '-', '-', '(absent)', '1'],
    ])
  })

  test('says when there are more, prints JSON, and needs a path', async () => {
    const { text, stderr } = await history('7/build:dist/app.js', '--limit', '1', '--json')
    expect(JSON.parse(text)).toMatchObject([{ artifacts: 2, oldest: { run: 6 } }])
    expect(stderr).toBe('showing the newest 1; use --limit to show more\n')
    expect((await history('7/build')).status).toBe(2)
    expect((await history('7/build:nope')).status).toBe(3)
  })
})

test('the page of a file leads to its history, which leads to each version and what changed', async () => {
  const artifact = `/octo/app/actions/runs/7/artifacts/${ids[6]}`
  const page = async (path: string): Promise<string> =>
    await (await server.send(path, { headers: { accept: 'text/html' } })).text()
  const address = `${artifact}/history/dist/app.js`
  expect(await page(`${artifact}/blob/dist/app.js`)).toContain(`href="${address}"`)
  const html = await page(address)
  expect(html).toContain('5 versions')
  expect(html).toContain(`href="/octo/app/actions/runs/4/artifacts/${ids[3]}/blob/dist/app.js"`)
  expect(html).toContain(`compare/${ids[2]}...${ids[3]}?file=dist%2Fapp.js`)
  expect(await page(`${artifact}/history/nope`)).toContain('Not found')
})
