/** A repeated upload of a directory sends only what changed, with the same result as a full
 *  upload. */
import { chmod, readdir, rm, truncate, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import type { WireArtifact } from '../../src/api/messages.ts'
import { type Client, createClient } from '../../src/client/client.ts'
import { readStatCache } from '../../src/client/upload/stat-cache.ts'
import { startSeeingProxy } from './seeing-proxy.ts'
import { startSharedServer, uploadDirectory } from './shared-server.ts'
import { describeTree, makeDirectory } from './tree.ts'

const { trove, token } = await startSharedServer()

const count = 1500
const nameOf = (index: number): string => `d${index % 40}/file-${index}.js`

/** A directory of files that are old enough to be cached. `salt` makes their contents unique. */
async function makeSource(salt: string): Promise<string> {
  const names = Array.from({ length: count }, (_, index) => nameOf(index))
  const root = await makeDirectory(
    Object.fromEntries(names.map((name) => [name, `${salt} ${name}`])),
  )
  // A file that has just changed can change again unnoticed, so it is not cached.
  await pause(200)
  return root
}

async function change(root: string): Promise<void> {
  await writeFile(join(root, nameOf(7)), 'changed')
  await writeFile(join(root, 'd3/added'), 'added')
  await chmod(join(root, nameOf(9)), 0o755)
  await rm(join(root, nameOf(11)))
  // Touched, but with the same content.
  await utimes(join(root, nameOf(13)), 1_700_000_000, 1_700_000_000)
}

async function expectSame(client: Client, root: string, artifact: WireArtifact): Promise<void> {
  const back = join(await makeDirectory(), 'back')
  await client.download({ artifact, destination: back })
  expect(await describeTree(back)).toEqual(await describeTree(root))
}

const refused = {
  status: 403,
  body: {
    title: 'forbidden',
    status: 403,
    code: 'forbidden',
    detail: 'not now',
    reason: 'not now',
  },
}

describe('a repeated upload', () => {
  test('sends only what changed, every time', async () => {
    const root = await makeSource('often')
    const client = createClient({ url: trove.url, token, cacheDir: await makeDirectory() })
    const first = await uploadDirectory(client, root)
    expect(first.sentBytes).toBeGreaterThan(50_000)
    await change(root)
    const second = await uploadDirectory(client, root)
    expect(second.sentBytes).toBeLessThan(4_000)
    expect(second.files).toBe(count)
    await expectSame(client, root, second.artifact)
    const fresh = createClient({ url: trove.url, token, cacheDir: null })
    expect((await uploadDirectory(fresh, root)).artifact.treeDigest).toBe(
      second.artifact.treeDigest,
    )
    await writeFile(join(root, nameOf(7)), 'changed again')
    const third = await uploadDirectory(client, root)
    expect(third.sentBytes).toBeLessThan(4_000)
    await expectSame(client, root, third.artifact)
  })

  test('sends the whole manifest when the server no longer has the earlier tree', async () => {
    const root = await makeSource('gone')
    const client = createClient({ url: trove.url, token, cacheDir: await makeDirectory() })
    const { artifact } = await uploadDirectory(client, root)
    await client.remove(artifact.id)
    await change(root)
    const second = await uploadDirectory(client, root)
    expect(second.sentBytes).toBeGreaterThan(50_000)
    await expectSame(client, root, second.artifact)
  })

  test('also when the earlier tree is deleted during the upload', async () => {
    const root = await makeSource('moment')
    const cacheDir = await makeDirectory()
    const direct = createClient({ url: trove.url, token, cacheDir })
    const { artifact } = await uploadDirectory(direct, root)
    await change(root)
    const offers: string[] = []
    const url = await startSeeingProxy(trove.url, async (path) => {
      if (!path.includes('/manifest?')) return undefined
      offers.push(path.includes('base=') ? 'changes' : 'whole')
      if (offers.length === 1) await direct.remove(artifact.id)
      return undefined
    })
    const second = await uploadDirectory(createClient({ url, token, cacheDir }), root)
    expect(offers).toEqual(['changes', 'whole'])
    await expectSame(direct, root, second.artifact)
  })

  test('offers the whole manifest when the server cannot apply the changes', async () => {
    const root = await makeSource('cannot')
    const cacheDir = await makeDirectory()
    const direct = createClient({ url: trove.url, token, cacheDir })
    await uploadDirectory(direct, root)
    await change(root)
    const offers: string[] = []
    let commits = 0
    const url = await startSeeingProxy(trove.url, async (path) => {
      if (path.includes('/manifest?')) offers.push(path.includes('base=') ? 'changes' : 'whole')
      if (!path.endsWith('/commit') || commits++ > 0) return undefined
      const code = 'upload_incomplete'
      return {
        status: 409,
        body: { title: code, status: 409, code, detail: 'no', what: 'manifest', missing: 1 },
      }
    })
    const second = await uploadDirectory(createClient({ url, token, cacheDir }), root)
    expect([offers, commits]).toEqual([['changes', 'whole'], 2])
    await expectSame(direct, root, second.artifact)
  })

  test('offers changes again after an upload that was not committed', async () => {
    const root = await makeSource('again')
    const cacheDir = await makeDirectory()
    const direct = createClient({ url: trove.url, token, cacheDir })
    await uploadDirectory(direct, root)
    await change(root)
    const url = await startSeeingProxy(trove.url, async (path) =>
      path.endsWith('/commit') ? refused : undefined,
    )
    const refusing = createClient({ url, token, cacheDir })
    await expect(uploadDirectory(refusing, root)).rejects.toMatchObject({ code: 'forbidden' })
    const again = await uploadDirectory(direct, root)
    expect(again.sentBytes).toBeLessThan(4_000)
    await expectSame(direct, root, again.artifact)
    // The cache now holds the tree that was committed.
    expect((await uploadDirectory(direct, root)).sentBytes).toBe(0)
  })

  test('caches the tree at once when changed files would take long to read again', async () => {
    const root = await makeSource('long')
    const cacheDir = await makeDirectory()
    await uploadDirectory(createClient({ url: trove.url, token, cacheDir }), root)
    const large = join(root, nameOf(7))
    await truncate(large, 256 * 1024 * 1024 + 1)
    await pause(200)
    const url = await startSeeingProxy(trove.url, async (path) =>
      path.endsWith('/uploads') ? refused : undefined,
    )
    const refusing = createClient({ url, token, cacheDir })
    await expect(uploadDirectory(refusing, root)).rejects.toMatchObject({ code: 'forbidden' })
    const [name] = await readdir(join(cacheDir, 'stat'))
    const cache = await readStatCache(join(cacheDir, 'stat', name!))
    expect(cache!.stats.some((value) => value === 256 * 1024 * 1024 + 1)).toBe(true)
  })
})
