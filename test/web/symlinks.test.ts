/** Addresses of symlinks on pages. */
import { beforeAll, expect, test } from 'vitest'
import { openSharedServer, problemOf } from '../http/open-server.ts'

const server = await openSharedServer()
const targets = {
  current: 'releases/2/app',
  chain: './current',
  newest: 'releases/2',
  'releases/1/up': '../2',
  'releases/all': '..',
  nowhere: 'none',
  outside: '../../etc/passwd',
  absolute: '/etc/<b>',
  circle: 'circle',
  behind: 'newest/../2/app',
}
let id: number
beforeAll(async () => {
  id = await server.put('7/site?branch=main', {
    tar: [
      { name: 'releases/2/app', content: 'second' },
      ...Object.entries(targets).map(([name, linkname]) => ({
        name,
        linkname,
        type: 'symlink' as const,
      })),
    ],
  })
})
const page = (): string => `/octo/app/actions/runs/7/artifacts/${id}`

test('lead to the page of what they mean', async () => {
  const leadsTo = async (name: string): Promise<string | null> =>
    (await server.visit(`${page()}/blob/${name}`)).headers.get('location')
  for (const name of ['current', 'chain'])
    expect(await leadsTo(name)).toBe(`${page()}/blob/releases/2/app`)
  for (const name of ['newest', 'releases/1/up'])
    expect(await leadsTo(name)).toBe(`${page()}/tree/releases/2`)
  expect(await leadsTo('releases/all')).toBe(page())
})

test('say where they point if that is nothing in the artifact', async () => {
  for (const name of ['nowhere', 'outside', 'absolute', 'circle', 'behind'] as const) {
    const response = await server.visit(`${page()}/blob/${name}`)
    const html = await response.text()
    expect([name, response.status]).toEqual([name, 200])
    expect(html).toContain(`A symlink to <code>${targets[name].replace('<b>', '&lt;b&gt;')}</code>`)
    expect(html).toContain('It leads to no file or directory of this artifact.')
  }
})

test('are linked where they are listed', async () => {
  const listing = await (await server.visit(page())).text()
  expect(listing).toContain(`<a href="${page()}/blob/current">current</a>`)
  const found = await (await server.visit('/octo/app/search?path=current')).text()
  expect(found).toContain(`<a href="${page()}/blob/current">current</a>`)
})

test('are followed from the address of the latest artifact, also to bytes', async () => {
  const location = async (path: string): Promise<string | null> =>
    (await server.send(`/octo/app/latest/main/site/${path}`)).headers.get('location')
  expect(await location('current')).toBe(`${page()}/blob/current`)
  const file = await server.send((await location('chain?download')) ?? '')
  expect(await file.text()).toBe('second')
  expect(await location('newest?download')).toContain('path=releases%2F2%2F**')
  const dangling = await server.send('/octo/app/latest/main/site/nowhere?download')
  expect(dangling.status).toBe(404)
})

test('the bytes of a file say that there is a symlink', async () => {
  const response = await server.send(`/api/v1/artifacts/${id}/files/nowhere`)
  expect(await problemOf(response)).toMatchObject({
    status: 404,
    body: { detail: 'artifact site has no file "nowhere": it is a symlink to none' },
  })
})
