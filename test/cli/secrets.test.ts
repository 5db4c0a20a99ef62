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
  return await runTroveInside(args, { TROVE_URL: server.url, TROVE_TOKEN: await server.token() })
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
  expect(await trove('secrets', '7/site', '--dismiss', 'ci.log')).toMatchObject({ status: 14 })
  const none = await trove('secrets', '7/site', '--dismiss', '.git/config', '--json')
  expect(none.status).toBe(0)
  expect((JSON.parse(none.text) as WireSecretList).secrets).toHaveLength(2)
  expect(await trove('secrets', '7/site', '--undismiss', 'ci.log')).toMatchObject({
    status: 14,
    text: expect.stringMatching(/dismissed \d{4}-\d\d-\d\d\nci\.log:1 {2,}GitHub token\n/),
  })
  expect(await trove('secrets', '7/site', '--dismiss', 'other')).toMatchObject({ status: 3 })
})

test('an upload of a tree that the server has already searched reports its secrets', async () => {
  const directory = await makeDirectory()
  await makeTree(directory, { 'ci.log': githubToken('again') })
  const upload = async (name: string): Promise<string> =>
    (await trove('upload', name, directory, '--run', '8')).stderr
  expect(await upload('first')).not.toContain('warning')
  await scanNow(server)
  expect(await upload('second')).toMatch(
    /^trove: warning: the upload contains 1 secret, known to the server .* `trove secrets id:\d+`$/m,
  )
})
