/** The list of projects. */
import { beforeAll, expect, test } from 'vitest'
import { openSharedServer } from '../http/open-server.ts'

const server = await openSharedServer()
const admin = { project: undefined, scope: 'admin' } as const

beforeAll(async () => {
  // Two small files, a large one, and one that two artifacts share.
  for (const [project, names, bytes] of [
    ['octo/many', ['a', 'b'], 10],
    ['octo/app', ['large'], 3000],
    ['octo/twice', ['a', 'b'], 2000],
  ] as const)
    for (const [index, name] of names.entries())
      await server.put(`/api/v1/projects/${project}/runs/1/artifacts/${name}`, {
        token: await server.token({ project }),
        body: (project === 'octo/many' ? String(index) : project).padEnd(bytes, 'x'),
      })
})

async function listed(query = ''): Promise<string[]> {
  const html = await server.page(`/${query}`, admin)
  return [...html.matchAll(/<th scope="row"><a href="\/octo\/(\w+)"/g)].map(([, name]) => name!)
}

test('is sorted by name, or by what the headings lead to', async () => {
  expect(await listed()).toEqual(['app', 'many', 'twice'])
  expect(await listed('?sort=artifacts')).toEqual(['many', 'twice', 'app'])
  expect(await listed('?sort=size')).toEqual(['twice', 'app', 'many'])
  expect(await listed('?sort=unique')).toEqual(['app', 'twice', 'many'])
  expect(await listed('?sort=none')).toEqual(['app', 'many', 'twice'])
  const html = await server.page('/?sort=size&name=octo', admin)
  expect(html).toContain('aria-sort="descending"><a href="/?name=octo&amp;sort=size">Size</a>')
  expect(html).toContain('<a href="/?name=octo&amp;sort=unique">Unique</a>')
  expect(html).toContain('<input type="hidden" name="sort" value="size"/>')
})
