/** Commands without a token: they read public projects, and say what is missing elsewhere. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { makeDirectory } from '../client/tree.ts'
import { openSharedServer } from '../http/open-server.ts'
import { runTroveInside } from './run-inside.ts'
import type { Outcome } from './run-trove.ts'

const server = await openSharedServer({ TROVE_PUBLIC_PROJECTS: 'octo/open' })
const big = 'a line of a large file\n'.repeat(20_000)
const directory = await makeDirectory()
let id: number
let other: number
beforeAll(async () => {
  const put = async (project: string, run: number): Promise<number> => {
    const token = await server.token({ project })
    const tar = [
      { name: 'big', content: big },
      { name: 'docs/a', content: `text of run ${run}` },
    ]
    const path = `/api/v1/projects/${project}/runs/${run}/artifacts/dist?branch=main`
    return await server.put(path, { token, tar })
  }
  id = await put('octo/open', 1)
  await put('octo/open', 2)
  other = await put('octo/closed', 1)
})

async function trove(...args: string[]): Promise<Outcome> {
  return await runTroveInside(args, { TROVE_URL: server.url }, directory)
}

test.each([
  [['list', '--project', 'octo/open'], 'dist'],
  [['ls', 'octo/open@1/dist'], 'docs'],
  [['cat', `id:ID:docs/a`], 'text of run 1'],
  [['cat', 'latest:main/dist:docs/a', '--project', 'octo/open'], 'text of run 2'],
  [['url', 'octo/open@1/dist'], '/octo/open/actions/runs/1'],
  [['url', 'octo/open@1/dist', '--sign'], '/artifacts/download/'],
  [['url', 'octo/open@1/dist:docs/a', '--sign'], '/files/docs/a?se='],
  [['search', '**/a', '--project', 'octo/open'], 'octo/open@2/dist:docs/a'],
  [['history', 'octo/open@2/dist:docs/a'], '2'],
  [['shasum', 'octo/open@1/dist'], 'docs/a'],
  [['why', 'octo/open@2/dist'], 'dist'],
  [['attest', 'octo/open@1/dist'], 'payload'],
])('trove %j needs no token for a public project', async (args, shown) => {
  const outcome = await trove(...args.map((each) => each.replace('ID', String(id))))
  expect(outcome).toMatchObject({ status: 0, text: expect.stringContaining(shown) as string })
})

test('a download, an archive and a comparison need none either', async () => {
  expect(await trove('download', 'octo/open@1/dist', 'to')).toMatchObject({ status: 0 })
  expect(await readFile(join(directory, 'to/big'), 'utf8')).toBe(big)
  expect(await trove('download', 'octo/open@2/dist', 'to')).toMatchObject({ status: 0 })
  expect(await readFile(join(directory, 'to/docs/a'), 'utf8')).toBe('text of run 2')
  expect(await trove('verify', 'octo/open@2/dist', 'to')).toMatchObject({ status: 0 })
  expect(await trove('download', 'octo/open@1/dist', '-o', 'dist.zip')).toMatchObject({ status: 0 })
  expect(await trove('diff', 'octo/open@1/dist', 'octo/open@2/dist')).toMatchObject({ status: 1 })
})

test.each([
  [['cat', 'octo/closed@1/dist:docs/a']],
  [['ls', 'id:OTHER']],
  [['download', 'octo/nothing@1/dist', 'no']],
  [['list', '--project', 'octo/closed']],
  [['secrets', 'octo/open@1/dist']],
  [['stats', '--project', 'octo/open']],
  [['audit', '--project', 'octo/open']],
  [['rm', 'octo/open@1/dist']],
  [['upload', 'new', 'to', '--project', 'octo/open', '--run', '9']],
])('trove %j says how to get a token', async (args) => {
  const outcome = await trove(...args.map((each) => each.replace('OTHER', String(other))))
  expect(outcome.status).toBe(5)
  expect(outcome.stderr).toContain(`${server.url} requires a token, and none is given\n`)
  expect(outcome.stderr).toContain('trove login')
})
