/** `trove projects`, and the route that it asks, against the start page. */
import { beforeAll, describe, expect, test } from 'vitest'
import { projectListSchema, type WireProjectList } from '../../src/api/admin-messages.ts'
import { openSharedServer, problemOf } from '../http/open-server.ts'
import { runTroveInside } from './run-inside.ts'

const server = await openSharedServer({ TROVE_PUBLIC_PROJECTS: 'open/*' })
const admin = { project: undefined, scope: 'admin' } as const

beforeAll(async () => {
  const token = await server.token(admin)
  const put = async (project: string, name: string, body: string): Promise<number> =>
    await server.put(`/api/v1/projects/${project}/runs/1/artifacts/${name}`, { body, token })
  await put('acme/twice', 'a', 'x'.repeat(3000))
  await put('acme/twice', 'b', 'x'.repeat(3000))
  await put('octo/app', 'dist', 'y'.repeat(4000))
  for (const name of ['a', 'b', 'c']) await put('open/Many', name, name)
})

async function list(query: string, token?: string): Promise<WireProjectList> {
  const answer = await server.send(`/api/v1/projects${query}`, { token: token ?? null })
  return projectListSchema.parse(await answer.json())
}

const names = ({ items }: WireProjectList): string[] => items.map(({ name }) => name)

describe('the list of projects', () => {
  test('has the sizes of the start page, and its orders', async () => {
    const token = await server.token(admin)
    expect(names(await list('', token))).toEqual(['acme/twice', 'octo/app', 'open/Many'])
    const bySize = await list('?sort=size', token)
    expect(names(bySize)).toEqual(['acme/twice', 'octo/app', 'open/Many'])
    expect(names(await list('?sort=unique', token))).toEqual([
      'octo/app',
      'acme/twice',
      'open/Many',
    ])
    expect(names(await list('?sort=artifacts', token))[0]).toBe('open/Many')
    expect(names(await list('?name=MANY', token))).toEqual(['open/Many'])
    expect(bySize.items[0]).toEqual({
      name: 'acme/twice',
      artifacts: 2,
      files: 2,
      logicalBytes: 6000,
      dedupedBytes: 3000,
      createdAt: expect.any(String),
      links: { html: `${server.url}/acme/twice` },
    })
    const page = await server.page('/', admin)
    const row = page.slice(page.indexOf('href="/acme/twice"'))
    expect(row).toMatch(/^.*?<td class="number">2<\/td>.*?5\.9 KiB.*?2\.9 KiB/s)
  })

  test('is paged', async () => {
    const token = await server.token(admin)
    const seen: string[] = []
    for (let query: string | null = '?limit=2&sort=size'; query !== null;) {
      const page = await list(query, token)
      expect(page.total).toBe(3)
      seen.push(...names(page))
      query = page.nextCursor === null ? null : `?limit=2&sort=size&cursor=${page.nextCursor}`
    }
    expect(seen).toEqual(['acme/twice', 'octo/app', 'open/Many'])
    const wrong = await server.send('/api/v1/projects?cursor=x', { token })
    expect(await problemOf(wrong)).toMatchObject({ status: 400, body: { field: 'cursor' } })
  })

  test('has what the token may read and no more', async () => {
    const listed = await list('', await server.token({ project: 'octo/app', scope: 'read' }))
    expect(names(listed)).toEqual(['octo/app', 'open/Many'])
    expect(listed.total).toBe(2)
    const ofRun = await server.token({ project: 'octo/app', run: 1, job: 'a', scope: 'run' })
    expect(names(await list('', ofRun))).toEqual(['open/Many'])
  })
})

describe('trove projects', () => {
  test('prints a table, or JSON', async () => {
    const access = await server.access(admin)
    const table = await runTroveInside(['projects', '--sort', 'size', '--limit', '2'], access)
    expect(table.text.trimEnd().split('\n')).toEqual([
      'PROJECT     ARTIFACTS  FILES     SIZE   UNIQUE',
      'acme/twice          2      2  5.9 KiB  2.9 KiB',
      'octo/app            1      1  3.9 KiB  3.9 KiB',
    ])
    expect(table.stderr).toBe('showing 2 of 3; use --limit to show more\n')
    const json = await runTroveInside(['projects', '--name', 'app', '--json'], access)
    expect(JSON.parse(json.text)).toMatchObject([{ name: 'octo/app', logicalBytes: 4000 }])
    const none = await runTroveInside(['projects', '--name', 'none'], access)
    expect(none).toMatchObject({ status: 0, stderr: 'no projects match\n' })
  })
})

// An administrator's token is for no project, and neither are those of several.
test.each([
  ['rm', '@1'],
  ['rm', '--undo', '@1'],
  ['diff', '1/dist', '1/dist'],
])('%s %s without a project says how to name one', async (...args) => {
  expect(await runTroveInside(args, await server.access(admin))).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('\nhint: Name the project with --project or TROVE_PROJECT.\n'),
  })
})
