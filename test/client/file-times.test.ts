/** Downloaded files, and files found in the partial tree, get their modification times. */
import { stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createClient } from '../../src/client/client.ts'
import { startSharedServer, uploadDirectory } from './shared-server.ts'
import { makeDirectory, makeTree } from './tree.ts'

const { trove, token } = await startSharedServer()

test('times before 1970 are restored', async () => {
  const client = createClient({ url: trove.url, token, cacheDir: null })
  const root = await makeDirectory()
  const times = { before: -86_400, second: -1, zero: 0 }
  await makeTree(root, { before: 'b', second: 's', zero: 'z' })
  // A negative number would mean the current time.
  for (const [name, seconds] of Object.entries(times))
    await utimes(join(root, name), new Date(seconds * 1000), new Date(seconds * 1000))
  const { artifact } = await uploadDirectory(client, root)
  const [whole, begun] = [await makeDirectory(), await makeDirectory()]
  // The state after a killed download that had completed the second file.
  await makeTree(begun, { '.trove-partial/files/1/1': 's' })
  for (const destination of [whole, begun]) {
    await client.download({ artifact, destination })
    for (const [name, seconds] of Object.entries(times))
      expect((await stat(join(destination, name))).mtimeMs).toBe(seconds * 1000)
  }
})
