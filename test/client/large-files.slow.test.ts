/** Large files: requested in ranges of parts, and resumed where they broke off. */
import { appendFile, readdir, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { wantsMediaType } from '../../src/api/negotiation.ts'
import { type Client, createClient } from '../../src/client/client.ts'
import {
  encodeWants,
  fetchedHeadBytesMax,
  type FetchedHead,
  type ListedParts,
  readFetchedHead,
  readListedParts,
} from '../../src/core/bytes/blob-exchange.ts'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { createByteReader } from '../../src/core/bytes/varint.ts'
import { startFlakyProxy } from './flaky-proxy.ts'
import { startSeeingProxy } from './seeing-proxy.ts'
import { openClientServer, uploadDirectory } from './shared-server.ts'
import { describeTree, makeDirectory, makeTree, pseudoRandom } from './tree.ts'

const server = await openClientServer()
const { token } = server
const direct = createClient({ url: server.url, token, cacheDir: null })

type Artifact = Awaited<ReturnType<Client['upload']>>['artifact']

async function upload(directory: string): Promise<Artifact> {
  return (await uploadDirectory(direct, directory)).artifact
}

async function ask(
  route: 'parts' | 'fetch',
  { id }: Artifact,
  wants: Parameters<typeof encodeWants>[0],
): Promise<Buffer> {
  const answer = await fetch(`${server.url}/api/v1/blobs/${route}?artifact=${id}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': wantsMediaType },
    body: Uint8Array.from(encodeWants(wants)),
  })
  expect(answer.status).toBe(200)
  return Buffer.from(await answer.arrayBuffer())
}

async function listed(artifact: Artifact, ordinal: number, parts: number[] | null) {
  const bytes = await ask('parts', artifact, [{ ordinal, parts }])
  const list: ListedParts['parts'][] = []
  for (const reader = createByteReader(bytes); !reader.atEnd();)
    list.push(readListedParts(reader).parts)
  expect(list).toHaveLength(1)
  return list[0]!
}

async function fetched(
  artifact: Artifact,
  ordinal: number,
  parts: number[] | null,
): Promise<number[]> {
  const bytes = await ask('fetch', artifact, [{ ordinal, parts }])
  const offsets: number[] = []
  for (let at = 0; ;) {
    const reader = createByteReader(bytes.subarray(at, at + fetchedHeadBytesMax))
    const head: FetchedHead | undefined = readFetchedHead(reader)
    if (head === undefined) return offsets.toSorted((a, b) => a - b)
    offsets.push(head.offset)
    at += reader.position() + head.lengthBytes
  }
}

test('parts are listed and fetched by range; missing parts are left out', async () => {
  // As text, since incompressible content is cut into larger parts.
  const large = Buffer.from(pseudoRandom(500_000, 'ranges').toString('hex'))
  const root = await makeDirectory({ large, small: 'small' })
  const artifact = await upload(root)
  const all = await listed(artifact, 0, null)
  expect(all.length).toBeGreaterThan(10)
  let offset = 0
  const offsets = all.map(({ digest, sizeBytes }) => {
    expect(digestOf(large.subarray(offset, offset + sizeBytes))).toBe(digest)
    offset += sizeBytes
    return offset - sizeBytes
  })
  expect(offset).toBe(large.length)
  const { length } = all
  for (const wanted of [[0], [3, 4, 7], [length - 1], [length - 1, length, length + 5]]) {
    const there = wanted.filter((part) => part < length)
    expect(await listed(artifact, 0, wanted)).toEqual(there.map((part) => all[part]))
    expect(await fetched(artifact, 0, wanted)).toEqual(there.map((part) => offsets[part]))
  }
  for (const wanted of [[length], [length + 100_000]]) {
    expect(await listed(artifact, 0, wanted)).toEqual([])
    expect(await fetched(artifact, 0, wanted)).toEqual([])
  }
  expect(await fetched(artifact, 0, null)).toEqual(offsets)
  // A file that is not cut has one part.
  expect(await fetched(artifact, 1, [0, 1])).toEqual([0])
  expect(await fetched(artifact, 1, [1])).toEqual([])
})

const largeBytes = 16_000_000

test('a large file whose transfer breaks is resumed, by the same download and by the next one', async () => {
  const root = await makeDirectory({ large: pseudoRandom(largeBytes, 'broken') })
  const artifact = await upload(root)
  const proxy = await startFlakyProxy(server.url)
  const client = createClient({ url: proxy.url, token, cacheDir: null })
  const destination = join(await makeDirectory(), 'back')
  const stop = new AbortController()
  const interrupted = client.download({ artifact, destination, signal: stop.signal })
  interrupted.catch(() => {})
  await proxy.passed('received', largeBytes / 2)
  stop.abort()
  await expect(interrupted).rejects.toMatchObject({ name: 'AbortError' })
  expect(await readdir(destination)).toEqual(['.trove-partial'])
  // The next download is cut twice.
  let cuts = 0
  proxy.cutNext(8, () => (++cuts % 4 === 3 ? 4_000_000 : Number.POSITIVE_INFINITY), 'close')
  const before = proxy.receivedBytes()
  const { fetchedBytes } = await client.download({ artifact, destination })
  expect(await describeTree(destination)).toEqual(await describeTree(root))
  expect(fetchedBytes).toBeLessThan(0.85 * largeBytes)
  expect(proxy.receivedBytes() - before).toBeLessThan(0.9 * largeBytes)
  expect((await stat(join(destination, 'large'))).size).toBe(largeBytes)
})

test('a large file that was begun is made a copy of an equal one that comes first', async () => {
  const content = pseudoRandom(200_000, 'equal')
  const root = await makeDirectory({ 'd/first': content, 'd/second': content, 'e/third': content })
  const artifact = await upload(root)
  // What an interrupted download of an artifact without the first file leaves.
  const begun = Buffer.alloc(content.length)
  const destination = await makeDirectory({ '.trove-partial/earlier/tree/d/second': begun })
  await direct.download({ artifact, destination })
  expect(await describeTree(destination)).toEqual(await describeTree(root))
})

describe.each([
  ['whose parts the server lists', true, false],
  ['whose parts the server no longer lists', false, false],
  ['that somebody has changed', true, true],
])('of an older version %s', (_, isThere, isChanged) => {
  test('only missing parts are fetched', async () => {
    const root = await makeDirectory()
    const file = join(root, 'large')
    const version = async (seed: string): Promise<Artifact> => {
      // As text, since incompressible content is cut into larger parts.
      const content = [pseudoRandom(500_000, 'same'), pseudoRandom(50_000, seed)]
      await makeTree(root, { large: Buffer.concat(content).toString('hex') })
      // A file whose mtime is too recent is not cached.
      await utimes(file, 1_700_000_000, 1_700_000_000)
      return await upload(root)
    }
    const asked: string[] = []
    const url = await startSeeingProxy(server.url, async (path) => {
      if (path.includes('/blobs/parts')) asked.push(path)
      return undefined
    })
    const client = createClient({ url, token, cacheDir: await makeDirectory() })
    const destination = join(await makeDirectory(), 'back')
    const before = await version('before')
    await client.download({ artifact: before, destination })
    const after = await version('after')
    if (!isThere) await direct.remove(before.id)
    if (isChanged) await appendFile(join(destination, 'large'), 'more')
    const { fetchedBytes } = await client.download({ artifact: after, destination })
    expect(await describeTree(destination)).toEqual(await describeTree(root))
    expect(fetchedBytes).toBeLessThan(200_000)
    const ids = asked.map((path) => new URL(path, url).searchParams.get('artifact'))
    // A changed file is cut again, whatever the server has of it.
    const lists = isChanged ? [after] : [before, after]
    expect(new Set(ids)).toEqual(new Set(lists.map(({ id }) => String(id))))
  })
})
