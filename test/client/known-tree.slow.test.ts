/** How a download uses the cached tree of DEST, also when the cache is damaged. */
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { createClient } from '../../src/client/client.ts'
import { startFlakyProxy } from './flaky-proxy.ts'
import { startSharedServer, uploadDirectory } from './shared-server.ts'
import { describeTree, makeDirectory, type TreeSpec } from './tree.ts'

const { trove, token } = await startSharedServer()

describe('a download of a tree with an earlier version in the cache', () => {
  const replacing =
    (from: string, to: string) =>
    (bytes: Buffer): Buffer =>
      Buffer.from(bytes.toString('latin1').replace(from, to), 'latin1')
  const names = Array.from({ length: 2000 }, (_, index) => `src/${index % 40}/file-${index}`)
  const treeOf = (change: string): TreeSpec =>
    Object.fromEntries(names.map((name, index) => [name, index === 77 ? change : name]))

  /** Two versions in the store, the first also in DEST, and a client whose bytes are counted. */
  const prepare = async () => {
    const one = await makeDirectory(treeOf('one'))
    const two = await makeDirectory({ ...treeOf('two'), extra: 'e', 'src/3/file-3': null })
    await rm(join(two, 'src/7'), { recursive: true })
    const proxy = await startFlakyProxy(trove.url)
    const cacheDir = await makeDirectory()
    const client = createClient({ url: proxy.url, token, cacheDir })
    const { artifact: first } = await uploadDirectory(client, one)
    const { artifact: second } = await uploadDirectory(client, two)
    const destination = await makeDirectory()
    await client.download({ artifact: first, destination })
    const receive = async (artifact: typeof first): Promise<number> => {
      const before = proxy.receivedBytes()
      await client.download({ artifact, destination, delete: true })
      return proxy.receivedBytes() - before
    }
    return { one, two, first, second, destination, receive, cacheDir }
  }

  test('receives only what changed, forth and back', async () => {
    const { one, two, first, second, destination, receive } = await prepare()
    expect(await receive(second)).toBeLessThan(8_000)
    expect(await describeTree(destination)).toEqual(await describeTree(two))
    expect(await receive(first)).toBeLessThan(25_000)
    expect(await describeTree(destination)).toEqual(await describeTree(one))
  })

  test('receives everything when the earlier version no longer exists', async () => {
    const { two, first, second, destination, receive } = await prepare()
    await createClient({ url: trove.url, token, cacheDir: null }).remove(first.id)
    expect(await receive(second)).toBeGreaterThan(60_000)
    expect(await describeTree(destination)).toEqual(await describeTree(two))
  })

  test.each([
    ['truncated', (bytes: Buffer) => bytes.subarray(0, 50_000)],
    [
      'corrupted',
      (bytes: Buffer) =>
        Buffer.concat([bytes.subarray(0, 90_000), Buffer.from('x'), bytes.subarray(90_001)]),
    ],
    ['of another artifact', replacing('file-1\n', 'file_1\n')],
    ['of broken lines', replacing('file-1000\n', 'file-1\n00\n')],
    ['of joined lines', replacing('file-1000\n', 'file-10001')],
    ['empty', () => Buffer.alloc(0)],
    ['of another format', () => Buffer.from('trove destination 3\n'.repeat(9))],
  ])('receives everything when the cache is %s', async (_, damage) => {
    const { two, second, destination, receive, cacheDir } = await prepare()
    const [name = ''] = await readdir(join(cacheDir, 'destination'))
    const path = join(cacheDir, 'destination', name)
    await writeFile(path, damage(await readFile(path)))
    expect(await receive(second)).toBeGreaterThan(60_000)
    expect(await describeTree(destination)).toEqual(await describeTree(two))
  })
})
