/** Downloaded files, and files found in the partial tree, get their modification times. */
import { mkdir, readdir, rename, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { createClient } from '../../src/client/client.ts'
import { readDestinationCache } from '../../src/client/download/destination-cache.ts'
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
  const begun = await makeDirectory({ '.trove-partial/earlier/files/1/1': 's' })
  for (const destination of [whole, begun]) {
    await client.download({ artifact, destination })
    for (const [name, seconds] of Object.entries(times))
      expect((await stat(join(destination, name))).mtimeMs).toBe(seconds * 1000)
  }
})

test('a file that gets its time after it was read is read again by the next download', async () => {
  const cacheDir = await makeDirectory()
  const client = createClient({ url: server.url, token, cacheDir })
  const old = await makeDirectory({ file: 'old' })
  const root = await makeDirectory({ file: 'new' })
  const left = await makeDirectory({ file: 'new' })
  for (const directory of [old, root, left])
    await utimes(join(directory, 'file'), 1_600_000_000, 1_600_000_000)
  const destination = await makeDirectory()
  const earlier = await uploadDirectory(client, old)
  await client.download({ artifact: earlier.artifact, destination })
  const { artifact } = await uploadDirectory(client, root)
  // The state after a killed download that had completed the file.
  await mkdir(join(destination, '.trove-partial/earlier/files/0'), { recursive: true })
  await rename(join(left, 'file'), join(destination, '.trove-partial/earlier/files/0/0'))
  // Longer than a tick of the file system's clock may be: what is read is settled.
  await sleep(60)
  await client.download({ artifact, destination })
  const [name = ''] = await readdir(join(cacheDir, 'destination'))
  const { stats } = (await readDestinationCache(join(cacheDir, 'destination', name)))!
  // Whoever wrote to it in between left no trace in its times.
  expect(stats[0]).toBeNaN()
})
