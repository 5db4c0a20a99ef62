/** Where the list of artifacts leads to. */
import { expect, test } from 'vitest'
import { digestOf, formatWireDigest } from '../../src/core/bytes/digest.ts'
import { openSharedServer } from '../http/open-server.ts'

const server = await openSharedServer()
await server.put('1/site?branch=main&event=push', { body: 'content' })
await server.put('2/site?branch=main&event=push', { body: 'content' })

const run = '<td><a href="/octo/app/actions/runs/1">1</a></td>'
const branch = '<td><a href="/octo/app?branch=main">main</a></td>'

test('artifacts lead to their run and branch, from their list and from the search for a file', async () => {
  const digest = formatWireDigest(digestOf(Buffer.from('content')))
  for (const path of ['/octo/app/artifacts', `/find?digest=${digest}`]) {
    const html = await server.page(path)
    expect(html).toContain(run)
    expect(html).toContain(branch)
  }
  expect(await server.page(`/find?digest=${digest}`)).toContain('<a href="/octo/app">octo/app</a>')
})

test('the headings of the list lead to it in their order, and the one of its order is marked', async () => {
  const headings = async (query: string): Promise<Record<string, string>> => {
    const html = await server.page(`/octo/app/artifacts?${query}`)
    const found = html.matchAll(
      /<th scope="col"[^>]*?(?: aria-sort="(\w+)")?><a href="([^"]*)">(.*?)</g,
    )
    return Object.fromEntries(
      [...found].map(([, sorted = '', href, label]) => [label, `${href} ${sorted}`.trim()]),
    )
  }
  const list = '/octo/app/artifacts?name=site'
  expect(await headings('name=site')).toEqual({
    Name: `${list}&amp;sort=name`,
    Size: `${list}&amp;sort=largest`,
    'New bytes': `${list}&amp;sort=costliest`,
    Uploaded: `${list}&amp;sort=oldest descending`,
    Expires: `${list}&amp;sort=expiring`,
  })
  expect(await headings('name=site&sort=oldest')).toMatchObject({ Uploaded: `${list} ascending` })
  expect(await headings('name=site&sort=largest')).toMatchObject({
    Size: `${list}&amp;sort=largest descending`,
    Uploaded: list,
  })
})

test('an artifact that has the files of the previous run leads there', async () => {
  expect(await server.page('/octo/app/actions/runs/2')).toMatch(
    /same as <a href="\/octo\/app\/actions\/runs\/1\/artifacts\/\d+">run 1<\/a>/,
  )
})

// Lists offer the branches of the last runs only, and a link can lead to any.
test('a form keeps a filter that is not among its options', async () => {
  const list = await server.page('/octo/app/artifacts?branch=old')
  expect(list).toContain('<option value="old" selected="">old</option>')
  const runs = await server.page('/octo/app?workflow=gone.yml')
  expect(runs).toContain('<option value="gone.yml" selected="">gone.yml</option>')
  const main = await server.page('/octo/app?branch=main')
  expect(main.split('<option value="main"')).toHaveLength(2)
})
