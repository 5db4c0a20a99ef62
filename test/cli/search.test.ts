/** `trove search`: from a pattern to paths that other commands accept. */
import { beforeAll, expect, test } from 'vitest'
import { createClient } from '../../src/client/client.ts'
import { tarOf } from '../http/archives-of.ts'
import { openSharedServer } from '../http/open-server.ts'
import { runTroveInside } from './run-inside.ts'
import type { Outcome } from './run-trove.ts'

const server = await openSharedServer()
beforeAll(async () => {
  for (const run of [1, 2, 3]) {
    const files = ['report.html', `sub dir/report ${run}.html`, 'notes.txt']
    const body = await tarOf(files.map((name) => ({ name, content: `${name} of ${run}` })))
    await server.put(`${run}/site?branch=b${run}&job=build`, {
      headers: { 'content-type': 'application/x-tar' },
      body,
    })
  }
})

async function trove(args: string[]): Promise<Outcome> {
  return await runTroveInside(args, await server.access())
}

test('lists matches, newest first, in the form that `trove cat` accepts', async () => {
  const found = await trove(['search', '**/*.html', '--run', '2'])
  expect(found).toMatchObject({ status: 0, stderr: '' })
  const [header, first = '', second = '', ...rest] = found.text.trimEnd().split('\n')
  expect(header).toMatch(/^ +SIZE {2}UPLOADED +BRANCH +REF:PATH$/)
  expect(first).toMatch(/^ +16 B {2}\d{4}-\d\d-\d\d {2}b2 +octo\/app@2\/site:report\.html$/)
  expect(second).toMatch(/octo\/app@2\/site:sub dir\/report 2\.html$/)
  expect(rest).toEqual([])
  const [, reference = ''] = /(octo\S+)$/.exec(first) ?? []
  expect((await trove(['cat', reference])).text).toBe('report.html of 2')
})

test('accepts several patterns, filters, and --json', async () => {
  const globs = ['report.html', 'no*s.{txt,md}']
  const { status, text } = await trove(['search', ...globs, '--branch', 'b3', '--json'])
  expect(status).toBe(0)
  expect(JSON.parse(text)).toMatchObject([
    { reference: 'octo/app@3/site', artifact: { run: 3 }, entry: { path: 'notes.txt' } },
    { reference: 'octo/app@3/site', artifact: { run: 3 }, entry: { path: 'report.html' } },
  ])
  expect((await trove(['search', 'notes.txt', '--since', '1h'])).text).toContain('octo/app@3')
  expect((await trove(['search', 'notes.txt', '--since', '2999-01-01'])).status).toBe(1)
})

test('says when there are more than --limit', async () => {
  const cut = await trove(['search', '**/*.html', '--limit', '5'])
  expect(cut.text.trimEnd().split('\n')).toHaveLength(6)
  expect(cut).toMatchObject({
    status: 0,
    stderr: 'showing the newest 5; use --limit to show more\n',
  })
  expect((await trove(['search', '**/*.html', '--limit', '6'])).stderr).toBe('')
})

test('exits with 1 when nothing is found, unless --allow-empty is set', async () => {
  const none = await trove(['search', 'port*'])
  expect(none).toMatchObject({ status: 1, text: '' })
  expect(none.stderr).toBe(
    "no path in the searched artifacts matches; use '**/port*' to search all directories\n",
  )
  expect(await trove(['search', 'a/b', '--allow-empty', '--json'])).toMatchObject({
    status: 0,
    text: '[]\n',
    stderr: 'no path in the searched artifacts matches\n',
  })
})

test('rejects invalid patterns and flags', async () => {
  expect(await trove(['search'])).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('GLOB is missing'),
  })
  expect(await trove(['search', '!a'])).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('it is a negation'),
  })
  expect(await trove(['search', 'a', '--since', 'lately'])).toMatchObject({
    status: 2,
    stderr: expect.stringContaining(
      '--since must be a duration or date such as 7d or 2026-11-29, got "lately"',
    ),
  })
  expect(await trove(['search', '**', '--since', '1000000d'])).toMatchObject({ status: 0 })
  expect(await trove(['search', 'a', '--nmae', 'b'])).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('--name'),
  })
})

test('the client library yields all matches, however many responses they take', async () => {
  const files = Array.from({ length: 450 }, (_, index) => ({ name: `many/${index}.bin` }))
  const path = '/api/v1/projects/octo/many/runs/1/artifacts/many'
  const token = await server.token({ project: 'octo/many' })
  const headers = { 'content-type': 'application/x-tar' }
  await server.put(path, { token, headers, body: await tarOf(files) })
  const client = createClient({ url: server.url, token, cacheDir: null })
  const paths: string[] = []
  for await (const { entry } of client.search({ globs: ['many/*'] })) paths.push(entry.path)
  expect(paths).toEqual(files.map(({ name }) => name).toSorted())
})
