/** Directories that their owner may not enter. Root may enter any, so it acts as another user. */
import { chmod, chown, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { uploadPath } from '../../src/api/paths.ts'
import { createClient } from '../../src/client/client.ts'
import { tarOf } from '../http/archives-of.ts'
import { startSharedServer } from './shared-server.ts'
import { describeTree, makeDirectory } from './tree.ts'

const { trove, token } = await startSharedServer()
const isRoot = process.getuid?.() === 0
const userId = 65_534

async function asUser(work: () => Promise<unknown>): Promise<void> {
  if (isRoot) process.seteuid!(userId)
  try {
    await work()
  } finally {
    if (isRoot) process.seteuid!(0)
  }
}

test('a file is added to a directory that gets such a mode', async () => {
  const tar = await tarOf([
    { name: 'd/', type: 'directory', mode: 0o600 },
    { name: 'd/new', content: 'n' },
  ])
  const response = await fetch(trove.url + uploadPath('octo/demo', 7, 'closed'), {
    method: 'PUT',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/x-tar' },
    body: tar,
  })
  const artifact = (await response.json()) as { id: number; treeDigest: string }
  const destination = await makeDirectory({ 'd/kept': 'k' })
  if (isRoot)
    for (const path of ['', 'd', 'd/kept']) await chown(join(destination, path), userId, userId)
  const client = createClient({ url: trove.url, token, cacheDir: null })
  await asUser(async () => await client.download({ artifact, destination }))
  expect((await stat(join(destination, 'd'))).mode & 0o777).toBe(0o600)
  await chmod(join(destination, 'd'), 0o700)
  expect(Object.keys(await describeTree(destination)).toSorted()).toEqual(['d', 'd/kept', 'd/new'])
})
