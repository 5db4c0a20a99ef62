/** Downloaded files, and files found in the partial tree, get their modification times. */
import { stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createClient } from '../../src/client/client.ts'
import { openClientServer, uploadDirectory } from './shared-server.ts'
import { makeDirectory } from './tree.ts'

const server = await openClientServer()
const { token } = server

test('times before 1970 are restored', async () => {
  const client = createClient({ url: server.url, token, cacheDir: null })
  const times = { before: -86_400, second: -1, zero: 0 }
  const root = await makeDirectory({ before: 'b', second: 's', zero: 'z' })
  // A negative number would mean the current time.
  for (const [name, seconds] of Object.entries(times))
    await utimes(join(root, name), new Date(seconds * 1000), new Date(seconds * 1000))
  const { artifact } = await uploadDirectory(client, root)
  // The state after a killed download that had completed the second file.
  const whole = await makeDirectory()
  const begun = await makeDirectory({ '.trove-partial/files/1/1': 's' })
  for (const destination of [whole, begun]) {
    await client.download({ artifact, destination })
    for (const [name, seconds] of Object.entries(times))
      expect((await stat(join(destination, name))).mtimeMs).toBe(seconds * 1000)
  }
})
