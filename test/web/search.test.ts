/** The page that searches the artifacts of a project for paths. */
import { beforeAll, expect, test } from 'vitest'
import { SearchResultList } from '../../src/web/find/search-page.tsx'
import { tarOf } from '../http/archives-of.ts'
import { openSharedServer } from '../http/open-server.ts'

const ids: number[] = []
const server = await openSharedServer()
beforeAll(async () => {
  for (const run of [1, 2]) {
    const files = Array.from({ length: 30 }, (_, index) => ({ name: `logs/<${index}>.log` }))
    const body = await tarOf([
      ...files,
      { name: 'empty', type: 'directory' },
      { name: 'newest', type: 'symlink', linkname: 'logs' },
    ])
    const place = `${run}/build?branch=b${run}&job=j`
    ids.unshift(await server.put(place, { headers: { 'content-type': 'application/x-tar' }, body }))
  }
})

async function open(path: string): Promise<string> {
  return await server.page(path, { scope: 'read' })
}

async function search(query: Record<string, string>): Promise<string> {
  return await open(`/octo/app/search?${new URLSearchParams(query).toString()}`)
}

const linksOf = (html: string): string[] =>
  [...html.matchAll(/<th scope="row"><a href="([^"]*)"/g)].map(([, href = '']) => href)

const place = (run: number): string => `/octo/app/actions/runs/${run}/artifacts/${ids[2 - run]}`

test('the search form is on the list of artifacts too, and its page explains patterns', async () => {
  expect(await open('/octo/app/artifacts')).toContain('action="/octo/app/search"')
  const html = await open('/octo/app/search')
  expect(html).toContain('The pattern must match the whole path')
  expect(html).not.toContain('match</p>')
})

test('the fields accept no more than an address can hold, and only a number as the run', async () => {
  const html = await open('/octo/app/search')
  const field = (name: string): string =>
    new RegExp(`<input[^>]*name="${name}"[^>]*>`).exec(html)?.[0] ?? ''
  const fullest = (name: string): string =>
    '\u4e2d'.repeat(Number(/maxlength="(\d+)"/.exec(field(name))?.[1]))
  const typed = { path: fullest('path'), name: fullest('name') }
  expect([typed.path.length, typed.name.length]).toEqual([1000, 255])
  expect(await search(typed)).toContain('No path matches')
  const run = new RegExp(`^(?:${/pattern="([^"]+)"/.exec(field('run'))?.[1]})$`)
  expect(['1', '42', 'abc', '0', '#4'].filter((text) => run.test(text))).toEqual(['1', '42'])
})

test('each match links to its page', async () => {
  const html = await search({ path: 'logs/*1[0-9]>.log', branch: 'b2' })
  expect(html).toContain('10 matches, newest artifacts first.')
  expect(linksOf(html)[0]).toBe(`${place(2)}/blob/logs/%3C10%3E.log`)
  expect(html).toContain('logs/&lt;10&gt;.log')
  expect(html).toContain('<td><a href="/octo/app/actions/runs/2">2</a></td>')
  expect(html).toContain('<td><a href="/octo/app?branch=b2">b2</a></td>')
  const others = await search({ path: '{empty,newest}', run: '1' })
  expect(linksOf(others)).toEqual([`${place(1)}/tree/empty`, `${place(1)}/blob/newest`])
  expect(others).toContain('newest</a> <span class="quiet">→ logs</span>')
})

test('a page holds 50 matches and links to the rest', async () => {
  const first = await search({ path: '**/*.log' })
  expect(linksOf(first)).toHaveLength(50)
  expect(first).toContain('The first 50 matches, newest artifacts first.')
  const [, href = ''] = /<a class="button" href="([^"]*)" rel="next">More/.exec(first) ?? []
  const second = await open(href.replaceAll('&amp;', '&'))
  expect(linksOf(second)).toHaveLength(10)
  expect(second).toContain('10 other matches, newest artifacts first.')
  expect(second).not.toContain('rel="next"')
  expect(new Set([...linksOf(first), ...linksOf(second)]).size).toBe(60)
})

test('the page says that nothing matches, and why a pattern is invalid', async () => {
  const none = await search({ path: 'none' })
  expect(none).toContain('No path matches.')
  expect(none).not.toContain('Search all artifacts')
  expect(await search({ path: 'empty', branch: 'none' })).toContain(
    '<a href="/octo/app/search?path=empty">Search all artifacts</a>',
  )
  const refused = await search({ path: '!none' })
  expect(refused).toContain('role="alert"')
  expect(refused).toContain('Invalid path pattern &quot;!none&quot;: it is a negation.')
  expect(refused).toContain('value="!none"')
})

test('an incomplete search says so and offers to continue', async () => {
  const view = { matches: [], isFull: false, onward: '/on', isLater: true, widened: null, now: 0 }
  const html = String(await SearchResultList(view))
  expect(html).toContain('No other path matches so far: older artifacts are not searched yet.')
  expect(html).toContain('<a class="button" href="/on" rel="next">Continue search</a>')
})
