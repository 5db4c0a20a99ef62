/** Quotas and a nearly full disk, as users of `trove` meet them when uploading, reading and
 *  deleting. */
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { makeDirectory } from '../client/tree.ts'
import { openServer, type TestServer } from '../http/open-server.ts'
import { type Outcome, runTrove } from './run-trove.ts'

vi.setConfig({ testTimeout: 60_000 })

let tree: string
beforeEach(async () => {
  tree = await makeDirectory()
})

async function open(
  environment: Record<string, string>,
  existing?: string,
): Promise<{ server: TestServer; trove(...args: string[]): Promise<Outcome> }> {
  const server = await openServer(environment, existing)
  onTestFinished(() => server.close())
  const TROVE_CACHE_DIR = join(tree, '..', 'trove-limits-cache')
  const access = { ...(await server.access()), TROVE_CACHE_DIR }
  return { server, trove: async (...args) => await runTrove(args, access) }
}

test('an upload over quota fails with 9, naming sizes and setting; rm makes room at once', async () => {
  const { trove } = await open({ TROVE_PROJECT_QUOTA: '100KB', TROVE_MIN_FREE: '0' })
  await writeFile(join(tree, 'file'), randomBytes(60_000))
  expect((await trove('upload', 'a', tree, '--run', '1')).status).toBe(0)
  await writeFile(join(tree, 'file'), randomBytes(60_001))
  const refused = await trove('upload', 'b', tree, '--run', '2')
  expect([refused.status, refused.text]).toEqual([9, ''])
  expect(refused.stderr).toMatch(
    /project octo\/app exceeded: 117\.2 KiB of 97\.7 KiB \(TROVE_PROJECT_QUOTA\)\n.*trove rm/s,
  )
  // The same file counts as many logical bytes, whether it is stored again or not.
  const again = await trove('upload', 'a', tree, '--run', '3')
  expect(again.status).toBe(9)
  expect((await trove('rm', '1/a')).status).toBe(0)
  expect((await trove('upload', 'b', tree, '--run', '2')).status).toBe(0)
  // An undo counts against the quota too; otherwise deletes, uploads and undos could exceed it any
  // number of times.
  expect((await trove('rm', '--undo', '1/a')).status).toBe(9)
  expect((await trove('rm', '2/b')).status).toBe(0)
  expect((await trove('rm', '--undo', '1/a')).status).toBe(0)
})

test('below the free-space minimum uploads fail early with 9, while everything else works', async () => {
  const roomy = await open({ TROVE_MIN_FREE: '0' })
  const content = randomBytes(5000)
  await writeFile(join(tree, 'file'), content)
  expect((await roomy.trove('upload', 'a', tree, '--run', '1')).status).toBe(0)
  const { dataDir } = roomy.server
  const backup = `${dataDir}-moved`
  const access = await roomy.server.access({ scope: 'admin' })
  expect((await runTrove(['backup', backup], access)).status).toBe(0)

  const { trove, server } = await open({ TROVE_MIN_FREE: '1000TiB' }, backup)
  await writeFile(join(tree, 'file'), randomBytes(5000))
  const refused = await trove('upload', 'b', tree, '--run', '2')
  expect([refused.status, refused.text]).toEqual([9, ''])
  expect(refused.stderr).toMatch(
    /nearly full: .* free, of which 1000\.0 TiB must stay free \(TROVE_MIN_FREE\)/,
  )
  expect((await trove('cat', '1/a:file')).stdout.equals(content)).toBe(true)
  expect((await trove('list')).status).toBe(0)
  expect((await trove('keep', '1/a')).status).toBe(0)
  expect((await trove('rm', '1/a')).status).toBe(0)
  const full = await server.access({ scope: 'admin' })
  const collected = await runTrove(['gc', '--now', '--json'], full)
  expect(JSON.parse(collected.text)).toMatchObject({ deletedArtifacts: 1, waitingBytes: 0 })
})
