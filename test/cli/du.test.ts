/** `trove du`, and the page with the same sizes. */
import { beforeAll, describe, expect, test } from 'vitest'
import { openSharedServer } from '../http/open-server.ts'
import { runTroveInside } from './run-inside.ts'
import type { Outcome } from './run-trove.ts'

const server = await openSharedServer()
const address = (rest: string) => `/octo/app/actions/runs/42/artifacts/${id}/sizes${rest}`
let id: number

beforeAll(async () => {
  id = await server.put('42/build', {
    tar: [
      { name: 'README', content: 'x'.repeat(1024) },
      { name: 'a-b', content: '' },
      { name: 'a/one', content: 'x'.repeat(2048) },
      { name: 'a/<i>/two', content: 'x'.repeat(4096) },
      { name: 'a/<i>/three', content: 'x'.repeat(1024) },
      { name: 'links/here', type: 'symlink', linkname: '../README' },
    ],
  })
})

async function du(...args: string[]): Promise<Outcome> {
  return await runTroveInside(['du', ...args], await server.access({ scope: 'read' }))
}

async function linesOf(...args: string[]): Promise<string[]> {
  const { status, text, stderr } = await du(...args)
  expect([status, stderr]).toEqual([0, ''])
  return text.trimEnd().split('\n')
}

describe('trove du', () => {
  test('shows files and directories by size, with the total', async () => {
    expect(await linesOf('42/build')).toEqual([
      '   SIZE  SHARE  FILES  NAME',
      '7.0 KiB   88 %      3  a/',
      '1.0 KiB   13 %      1  README',
      '    0 B    0 %      1  a-b',
      '8.0 KiB  100 %      5  (total)',
    ])
  })

  test('shows a directory, or one file, and sums what is beyond the limit', async () => {
    expect((await linesOf('42/build:a/')).slice(1)).toEqual([
      '5.0 KiB   71 %      2  <i>/',
      '2.0 KiB   29 %      1  one',
      '7.0 KiB  100 %      3  (total)',
    ])
    expect((await linesOf('42/build:a/one')).slice(1)).toEqual(['2.0 KiB  100 %      1  a/one'])
    expect((await linesOf('42/build', '--limit', '1')).slice(1)).toEqual([
      '7.0 KiB   88 %      3  a/',
      '1.0 KiB   13 %      2  (2 others)',
      '8.0 KiB  100 %      5  (total)',
    ])
  })

  test('prints JSON, also of what has no files', async () => {
    const { text } = await du('42/build', '--limit', '1', '--json')
    expect(JSON.parse(text)).toEqual({
      path: '',
      files: 5,
      sizeBytes: 8192,
      children: [{ kind: 'directory', path: 'a', files: 3, sizeBytes: 7168 }],
      others: { children: 2, files: 2, sizeBytes: 1024 },
    })
    expect(JSON.parse((await du('42/build:links', '--json')).text)).toMatchObject({
      files: 0,
      children: [],
    })
  })

  test('fails with 3 for a path that the artifact does not have', async () => {
    expect(await du('42/build:none')).toMatchObject({
      status: 3,
      stderr: expect.stringContaining('artifact build has no "none"') as string,
    })
  })
})

test('the tab Sizes shows the same, with links to directories and files', async () => {
  const root = await server.page(address(''))
  expect(root).toContain('Largest in this artifact')
  expect(root).toMatch(/href="[^"]+\/sizes\/a"[^]*7\.0 KiB, 88 %[^]*href="[^"]+\/blob\/README"/)
  const below = await server.page(address('/a'))
  expect(below).toMatch(/href="[^"]+\/sizes\/a\/%3Ci%3E">&lt;i&gt;\/<\/a>[^]*5\.0 KiB, 71 %/)
  expect(await server.page(address('/links'))).toContain('There are no files here.')
  expect((await server.visit(address('/none'))).status).toBe(404)
})
