/** What a download remembers of files: never that one has a content that it may not have. */
import { lstat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createClient } from '../../src/client/client.ts'
import type { Downloading } from '../../src/client/download/downloading.ts'
import { createFindings, noteMoved } from '../../src/client/download/findings.ts'
import { openClientServer, uploadDirectory } from './shared-server.ts'
import { describeTree, makeDirectory } from './tree.ts'

const server = await openClientServer()
const { token } = server

/** Long ago: a file as young as the cache may change unnoticed, so it is not cached. */
const seconds = 1_600_000_000

test('a file that a download leaves out does not count as that of the newer artifact', async () => {
  const client = createClient({ url: server.url, token, cacheDir: await makeDirectory() })
  const [destination, root] = [await makeDirectory(), await makeDirectory()]
  for (const version of ['1', '2']) {
    for (const path of ['a', 'b', 'same']) {
      await writeFile(join(root, path), path === 'same' ? '' : version)
      await utimes(join(root, path), seconds, seconds)
    }
    const { artifact } = await uploadDirectory(client, root)
    if (version === '2') await client.download({ artifact, destination, paths: ['a'] })
    const { writtenFiles } = await client.download({ artifact, destination })
    expect(writtenFiles).toBe(version === '2' ? 1 : 3)
    expect(await describeTree(destination)).toEqual(await describeTree(root))
  }
})

/** As whole seconds, which every file system keeps. */
const soon = Math.ceil(Date.now() / 1000) + 60

test.each<[string, boolean, number, (path: string) => Promise<void>]>([
  ['as it was written', true, seconds, async () => {}],
  ['of another size', false, seconds, async (path) => await writeFile(path, 'longer')],
  ['of another time', false, seconds - 1, async () => {}],
  ['that can change without a new time', false, soon, async () => {}],
])('a file %s when it is in its place is remembered: %s', async (_, isKnown, madeAt, change) => {
  const root = await makeDirectory({ file: 'made' })
  const path = join(root, 'file')
  const wanted = madeAt === soon ? soon : seconds
  const findings = createFindings(1)
  findings.stats.set([4, wanted * 1000, 1, 1])
  await change(path)
  await utimes(path, madeAt, madeAt)
  const tree = { path: () => 'file' }
  noteMoved({ tree, destination: { root }, findings } as unknown as Downloading, [0])
  const { size, mtimeMs, ctimeMs, ino } = await lstat(path)
  if (isKnown) expect([...findings.stats]).toEqual([size, mtimeMs, ctimeMs, ino])
  else expect(findings.stats[0]).toBeNaN()
})
