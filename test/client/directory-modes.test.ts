/** Modes of directories in a DEST that an earlier download has brought to the artifact. */
import { chmod, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createClient } from '../../src/client/client.ts'
import { openClientServer, uploadDirectory } from './shared-server.ts'
import { makeDirectory } from './tree.ts'

const { url, token } = await openClientServer()

test('wanted directories and those of wanted files get their modes back, and no others', async () => {
  const root = await makeDirectory({ 'a/in/x': 'x', 'b/y': 'y', 'c/z': 'z' })
  await chmod(join(root, 'c'), 0o750)
  // A file that is as young as the cache may change unnoticed, so it is not cached.
  for (const path of ['a/in/x', 'b/y', 'c/z'])
    await utimes(join(root, path), 1_600_000_000, 1_600_000_000)
  const client = createClient({ url, token, cacheDir: await makeDirectory() })
  const { artifact } = await uploadDirectory(client, root)
  const destination = await makeDirectory()
  await client.download({ artifact, destination })
  const directories = ['a', 'a/in', 'b', 'c']
  for (const path of directories) await chmod(join(destination, path), 0o700)
  const modes = async (): Promise<string[]> =>
    await Promise.all(
      directories.map(async (path) =>
        ((await stat(join(destination, path))).mode & 0o777).toString(8),
      ),
    )
  await client.download({ artifact, destination, paths: ['a/**', 'c'] })
  expect(await modes()).toEqual(['755', '755', '700', '750'])
  await client.download({ artifact, destination })
  expect(await modes()).toEqual(['755', '755', '755', '750'])
})
