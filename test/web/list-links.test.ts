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

test('an artifact that has the files of the previous run leads there', async () => {
  expect(await server.page('/octo/app/actions/runs/2')).toMatch(
    /same as <a href="\/octo\/app\/actions\/runs\/1\/artifacts\/\d+">run 1<\/a>/,
  )
})
