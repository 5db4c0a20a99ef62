/** `trove secrets` as people and CI gates use it. */
import { expect, test } from 'vitest'
import type { WireSecretList } from '../../src/api/secrets.ts'
import { zipOf } from '../actions/archives.ts'
import { makeDirectory, makeTree } from '../client/tree.ts'
import { checkoutConfig, githubToken } from '../core/made-up-secrets.ts'
import { scanNow } from '../http/scan-now.ts'
import { openSharedServer } from '../http/open-server.ts'
import { runTroveInside } from './run-inside.ts'
import type { Outcome } from './run-trove.ts'

const server = await openSharedServer({ TROVE_SECRETS: 'off' })

async function trove(...args: string[]): Promise<Outcome> {
  return await runTroveInside(args, await server.access())
}

test('lists secrets with place and kind, and dismisses them', async () => {
  const body = zipOf({ '.git/config': checkoutConfig(), 'ci.log': githubToken() })
  await server.put('7/site', { headers: { 'content-type': 'application/zip' }, body })
  const early = await trove('secrets', '7/site')
  expect(early).toMatchObject({ status: 1, stderr: expect.stringContaining('not searched yet') })
  await scanNow(server)
  const found = await trove('secrets', '7/site')
  expect(found).toMatchObject({ status: 14, stderr: '2 secrets found\n' })
  expect(found.text.split('\n').map((line) => line.replaceAll(/ {2,}/g, '|'))).toEqual([
    'PLACE|KIND|STATUS',
    '.git/config:7|git credential left by a checkout',
    'ci.log:1|GitHub token',
    '',
  ])
  await server.put('7/other')
  const listed = await trove('list', '--secrets')
  expect(listed.text).toMatch(/ site /)
  expect(listed.text).not.toMatch(/ other /)
  expect(await trove('secrets', '7/site', '--dismiss', 'ci.log')).toMatchObject({
    status: 14,
    stderr: 'dismissed 1 finding in ci.log\n2 secrets found, 1 dismissed\n',
  })
  const none = await trove('secrets', '7/site', '--dismiss', '.git/config', '--json')
  expect(none).toMatchObject({
    status: 0,
    stderr: 'dismissed 1 finding in .git/config\n2 secrets found, all dismissed\n',
  })
  expect((JSON.parse(none.text) as WireSecretList).secrets).toHaveLength(2)
  expect(await trove('secrets', '7/site', '--undismiss', 'ci.log')).toMatchObject({
    status: 14,
    stderr: 'restored 1 finding in ci.log\n2 secrets found, 1 dismissed\n',
    text: expect.stringMatching(/dismissed \d{4}-\d\d-\d\d\nci\.log:1 {2,}GitHub token\n/),
  })
  expect(await trove('secrets', '7/site', '--dismiss', 'other')).toMatchObject({ status: 3 })
})

test('--fail-on-secrets passes over what the project has dismissed, by content', async () => {
  const directory = await makeDirectory({
    '.env': `A=${githubToken('one')}`,
    '.npmrc': githubToken('two'),
  })
  const upload = async (run: number, ...more: string[]): Promise<Outcome> =>
    await trove('upload', 'env', directory, '--include-hidden', '--run', String(run), ...more)
  const gate = '--fail-on-secrets'
  expect(await upload(20, gate, '--project', 'octo/app')).toMatchObject({ status: 14 })
  expect(await upload(20)).toMatchObject({ status: 0 })
  await scanNow(server)
  await trove('secrets', '20/env', '--dismiss', '.env')
  const refused = await upload(21, gate)
  expect(refused).toMatchObject({ status: 14 })
  expect(refused.stderr).toContain('the upload contains 1 secret\ntrove:   .npmrc:1: ')
  expect(refused.stderr).not.toContain('.env')
  await trove('secrets', '20/env', '--dismiss', '.npmrc')
  const passed = await upload(21, gate)
  expect(passed).toMatchObject({ status: 0 })
  expect(passed.stderr).not.toContain('secret')
  const dry = await upload(21, gate, '-n')
  expect(dry).toMatchObject({ status: 14 })
  expect(dry.stderr).toContain('may have dismissed: a dry run does not ask the server')
  // Another content at the same path is another finding.
  await makeTree(directory, { '.env': `A=${githubToken('three')}` })
  expect((await upload(22, gate)).stderr).toContain('1 secret\ntrove:   .env:1: ')
})

test('--fail-on-secrets refuses all findings, and says why, when the server does not answer', async () => {
  const directory = await makeDirectory({ '.npmrc': githubToken() })
  const args = ['upload', 'env', directory, '--include-hidden', '--run', '30', '--fail-on-secrets']
  const away = { TROVE_URL: 'http://127.0.0.1:1', TROVE_TOKEN: await server.token() }
  const refused = await runTroveInside([...args, '--project', 'octo/app'], away)
  expect(refused).toMatchObject({ status: 14 })
  expect(refused.stderr).toMatch(
    /1 secret\ntrove: {3}\.npmrc:1: .*\n.*may have dismissed: .*127\.0\.0\.1:1/,
  )
})

test('an upload of a tree that the server has already searched reports its secrets', async () => {
  const directory = await makeDirectory({ 'ci.log': githubToken('again') })
  const upload = async (name: string): Promise<string> =>
    (await trove('upload', name, directory, '--run', '8')).stderr
  expect(await upload('first')).not.toContain('warning')
  await scanNow(server)
  expect(await upload('second')).toMatch(
    /^trove: warning: the upload contains 1 secret, known to the server .* `trove secrets id:\d+`$/m,
  )
})
