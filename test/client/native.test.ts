/** The native client against a real server: uploads come back intact, and only what is missing
 *  is transferred. */
import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import {
  chmod,
  link,
  mkdir,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { type Client, createClient } from '../../src/client/client.ts'
import { readDestinationCache } from '../../src/client/download/destination-cache.ts'
import { flipByte, packPaths } from '../lifecycle/stored-bytes.ts'
import { type FlakyProxy, startFlakyProxy } from './flaky-proxy.ts'
import { openClientServer, uploadDirectory } from './shared-server.ts'
import { describeTree, lines, makeDirectory, makeHardTree, makeTree, pseudoRandom } from './tree.ts'

const server = await openClientServer()
const { data, token } = server

function clientWith(cacheDir: string | null): Client {
  return createClient({ url: server.url, token, cacheDir })
}

describe('an upload', () => {
  test('comes back with modes, symlinks, empty directories and unusual names', async () => {
    const root = await makeDirectory()
    const back = join(await makeDirectory(), 'back')
    await makeHardTree(root)
    const client = clientWith(null)
    const { artifact, files, logicalBytes } = await uploadDirectory(client, root)
    const result = await client.download({ artifact, destination: back })
    expect(await describeTree(back)).toEqual(await describeTree(root))
    expect(result).toMatchObject({ files, logicalBytes, writtenFiles: files })
    await chmod(join(root, 'forbidding'), 0o755)
    await chmod(join(back, 'forbidding'), 0o755)
  })

  test('sends nothing when the project has the tree under any name', async () => {
    const root = await makeDirectory()
    await makeHardTree(root)
    const client = clientWith(null)
    const first = await uploadDirectory(client, root)
    const again = await uploadDirectory(client, root, { run: first.artifact.run })
    const other = await uploadDirectory(client, root, { name: 'other' })
    expect(again).toMatchObject({
      created: false,
      sentBytes: 0,
      artifact: { id: first.artifact.id },
    })
    expect(other).toMatchObject({ created: true, sentBytes: 0, reusedBytes: first.logicalBytes })
    expect(other.artifact).toMatchObject({
      treeDigest: first.artifact.treeDigest,
      zipBytes: first.artifact.zipBytes,
      tarGzBytes: first.artifact.tarGzBytes,
      newBytes: 0,
    })
    await chmod(join(root, 'forbidding'), 0o755)
  })

  test('of a known tree with other times sends only the times, and restores them', async () => {
    const back = await makeDirectory()
    const root = await makeDirectory({ a: lines(50_000), b: 'b' })
    const client = clientWith(null)
    await uploadDirectory(client, root)
    await rm(join(root, 'a'))
    await makeTree(root, { a: lines(50_000) })
    await utimes(join(root, 'a'), 1_600_000_000, 1_600_000_000)
    const { artifact, sentBytes } = await uploadDirectory(client, root)
    expect(sentBytes).toBeGreaterThan(0)
    expect(sentBytes).toBeLessThan(200)
    await client.download({ artifact, destination: back })
    expect((await stat(join(back, 'a'))).mtimeMs).toBe(1_600_000_000_000)
  })

  test('of a tree with few changes sends little', async () => {
    const root = await makeDirectory({
      big: lines(600_000),
      random: pseudoRandom(2_000_000, 'x'),
      small: 's',
    })
    const client = clientWith(null)
    const first = await uploadDirectory(client, root)
    const text = lines(600_000).replace('line 300000', 'LINE 300000')
    await writeFile(join(root, 'big'), text)
    const second = await uploadDirectory(client, root)
    expect(first.sentBytes).toBeGreaterThan(2_000_000)
    expect(second.sentBytes).toBeLessThan(100_000)
    // Parts of the large file that the project has are not sent either.
    expect(second.reusedBytes).toBeGreaterThan(second.logicalBytes - 300_000)
    const back = await makeDirectory()
    await client.download({ artifact: second.artifact, destination: back })
    expect(await readFile(join(back, 'big'), 'utf8')).toBe(text)
  })

  // The part is compressed with level 9 instead of 5, so it is sent as another stream than the
  // damaged one.
  test.each(['as it was', 'recompressed', 'as a change of the last tree'])(
    'sends the damaged parts of a changed file again, which heals them: %s',
    async (how) => {
      const content = Buffer.from(Array.from({ length: 60_000 }, (_, at) => `${how} ${at}`).join())
      const root = await makeDirectory({ big: content })
      const client = clientWith(how.startsWith('as a change') ? await makeDirectory() : null)
      const known = new Set(await packPaths(join(data, 'cas')))
      const first = await uploadDirectory(client, root)
      const [pack] = (await packPaths(join(data, 'cas'))).filter((path) => !known.has(path))
      await flipByte(pack!, 1000)
      content.write('changed', content.length - 100)
      await makeTree(root, { big: content })
      const second = await uploadDirectory(client, root, {
        ...(how === 'recompressed' && { compressionLevel: 9 }),
      })
      expect(second.created).toBe(true)
      for (const { artifact } of [first, second]) {
        const back = await makeDirectory()
        await client.download({ artifact, destination: back })
        const changed = (await readFile(join(back, 'big'))).equals(content)
        expect(changed).toBe(artifact.id === second.artifact.id)
      }
    },
  )

  test('of other content under a taken name is a conflict, unless overwrite is set', async () => {
    const root = await makeDirectory({ a: '1' })
    const client = clientWith(null)
    const { artifact } = await uploadDirectory(client, root)
    await makeTree(root, { a: '2' })
    await expect(uploadDirectory(client, root, { run: artifact.run })).rejects.toMatchObject({
      code: 'name_taken',
    })
    const replaced = await uploadDirectory(client, root, { run: artifact.run, overwrite: true })
    expect(replaced).toMatchObject({ created: true })
    expect(replaced.artifact.id).not.toBe(artifact.id)
  })

  test('of nothing fails and reports the patterns', async () => {
    const root = await makeDirectory()
    const source = { kind: 'patterns', patterns: ['*.none'], directory: root } as const
    await expect(uploadDirectory(clientWith(null), root, { source })).rejects.toMatchObject({
      code: 'no_files',
      details: { patterns: ['*.none'] },
    })
  })

  test('accepts files chosen by the caller, with entry paths of their own', async () => {
    const back = await makeDirectory()
    const root = await makeDirectory({ x: 'x', 'y/z': 'z' })
    const client = clientWith(null)
    const files = [
      { absolutePath: join(root, 'y/z'), entryPath: 'b/z.txt' },
      { absolutePath: join(root, 'x'), entryPath: 'a.txt' },
    ]
    const { artifact } = await uploadDirectory(client, root, { source: { kind: 'files', files } })
    await client.download({ artifact, destination: back })
    expect(Object.keys(await describeTree(back)).toSorted()).toEqual(['a.txt', 'b', 'b/z.txt'])
  })

  test('detects a change that keeps size and mtime, by other stats of the inode', async () => {
    const root = await makeDirectory()
    const write = async (content: string): Promise<void> => {
      await writeFile(join(root, 'f'), content)
      await utimes(join(root, 'f'), 1_600_000_000, 1_600_000_000)
    }
    const client = clientWith(await makeDirectory())
    await write('one')
    const before = await uploadDirectory(client, root)
    await write('two')
    const after = await uploadDirectory(client, root)
    expect(after.artifact.treeDigest).not.toBe(before.artifact.treeDigest)
  })
})

describe('a download', () => {
  test('into a directory that has most files fetches only the rest', async () => {
    const root = await makeDirectory({
      big: lines(600_000),
      keep: pseudoRandom(1_000_000, 'k'),
      change: 'new',
    })
    const client = clientWith(await makeDirectory())
    const { artifact } = await uploadDirectory(client, root)
    const back = await makeDirectory({
      big: lines(600_000).replace('line 5', 'x'),
      keep: pseudoRandom(1_000_000, 'k'),
      change: 'old',
      extra: 'e',
    })
    const result = await client.download({ artifact, destination: back })
    expect(result).toMatchObject({ writtenFiles: 2, deletedPaths: 0 })
    expect(result.fetchedBytes).toBeLessThan(200_000)
    expect(await readFile(join(back, 'extra'), 'utf8')).toBe('e')
    expect(await client.download({ artifact, destination: back })).toMatchObject({
      writtenFiles: 0,
      fetchedBytes: 0,
    })
    expect(await client.download({ artifact, destination: back, delete: true })).toMatchObject({
      deletedPaths: 1,
    })
    expect(await describeTree(back)).toEqual(await describeTree(root))
  })

  test('replaces and adds files in read-only directories, which stay read-only', async () => {
    const lock = async (root: string, mode: number): Promise<void> => {
      for (const directory of ['locked', 'locked/in']) await chmod(join(root, directory), mode)
    }
    const bulk = Object.fromEntries(
      Array.from({ length: 100 }, (_, index) => [`usual/${index}`, 'x']),
    )
    const more = { 'locked/in/more/file': 'm', 'locked/link': '-> stays' }
    const one = await makeDirectory({ ...bulk, 'locked/in/file': 'one', 'locked/stays': 's' })
    const two = await makeDirectory({
      ...bulk,
      'locked/in/file': 'two',
      'locked/stays': 's',
      ...more,
    })
    await lock(one, 0o555)
    await lock(two, 0o555)
    const client = clientWith(await makeDirectory())
    const [first, second] = [await uploadDirectory(client, one), await uploadDirectory(client, two)]
    const back = await makeDirectory()
    await client.download({ artifact: first.artifact, destination: back })
    expect(await describeTree(back)).toEqual(await describeTree(one))
    await client.download({ artifact: second.artifact, destination: back })
    expect(await describeTree(back)).toEqual(await describeTree(two))
    for (const root of [one, two, back]) await lock(root, 0o755)
  })

  test('corrects a mode and a symlink without fetching', async () => {
    const root = await makeDirectory({ run: 'x', link: '-> run' })
    await chmod(join(root, 'run'), 0o755)
    const client = clientWith(null)
    const { artifact } = await uploadDirectory(client, root)
    const back = await makeDirectory({ run: 'x', link: '-> elsewhere' })
    expect(await client.download({ artifact, destination: back })).toMatchObject({
      writtenFiles: 0,
    })
    expect(await describeTree(back)).toEqual(await describeTree(root))
  })

  test('fetches only paths that match', async () => {
    const back = await makeDirectory()
    const root = await makeDirectory({ 'bin/a': 'a', 'doc/b': 'b', 'bin/x/c': 'c' })
    const client = clientWith(null)
    const { artifact } = await uploadDirectory(client, root)
    await client.download({ artifact, destination: back, paths: ['bin/**'] })
    expect(Object.keys(await describeTree(back)).toSorted()).toEqual([
      'bin',
      'bin/a',
      'bin/x',
      'bin/x/c',
    ])
  })

  test('of some paths sets the modes of their parent directories', async () => {
    const root = await makeDirectory({ 'private/deep/a': 'a', 'private/b': 'b' })
    await chmod(join(root, 'private/deep'), 0o710)
    await chmod(join(root, 'private'), 0o700)
    const client = clientWith(null)
    const { artifact } = await uploadDirectory(client, root)
    const [whole, part] = [await makeDirectory(), await makeDirectory()]
    await client.download({ artifact, destination: whole })
    for (const destination of [whole, part])
      await client.download({ artifact, destination, paths: ['private/deep/a'] })
    expect(await describeTree(whole)).toEqual(await describeTree(root))
    const { 'private/b': _unwanted, ...wanted } = await describeTree(root)
    expect(await describeTree(part)).toEqual(wanted)
  })

  test('resumes with complete files of an interrupted download, in existing and new directories', async () => {
    // Random content, so that each fetched file shows in the byte count.
    const sizes = { 'new/d': 50, 'new/e': 50, 'old/a': 50, 'old/b': 50, 'old/c': 50, 'old/f': 200 }
    const root = await makeDirectory(
      Object.fromEntries(
        Object.entries(sizes).map(([path, size]) => [path, randomBytes(size * 1000)]),
      ),
    )
    const resumed = ['new/d', 'old/b']
    for (const path of resumed) {
      await chmod(join(root, path), 0o750)
      await utimes(join(root, path), 1_600_000_000, 1_600_000_000)
    }
    const client = clientWith(null)
    const { artifact } = await uploadDirectory(client, root)
    const back = await makeDirectory({ 'old/a': 'another' })
    const partial = join(back, '.trove-partial/earlier')
    await makeTree(partial, {
      // Named by their ordinals.
      'files/3/3': await readFile(join(root, 'old/b')),
      'files/4/4': 'torn',
      'files/5/5': Buffer.alloc(200_001),
      'files/3/99': 'of another artifact',
      'tree/new/d': await readFile(join(root, 'new/d')),
      'tree/new/e': Buffer.alloc(50_000),
      'tree/new/stranger': 's',
    })
    const { fetchedBytes } = await client.download({ artifact, destination: back })
    expect(fetchedBytes).toBeGreaterThan(350_000)
    expect(fetchedBytes).toBeLessThan(360_000)
    expect(await describeTree(back)).toEqual(await describeTree(root))
    for (const path of resumed)
      expect((await stat(join(back, path))).mtimeMs, path).toBe(1_600_000_000_000)
  })

  test('requests the tree again when it breaks off, by a reset or a premature end', async () => {
    // Long names, so that few files make a long tree.
    const name = `directory/${'n'.repeat(200)}`
    const names = Array.from({ length: 700 }, (_, index) => [`${name}-${index}`, 'x'])
    const root = await makeDirectory(Object.fromEntries(names))
    const { artifact } = await uploadDirectory(clientWith(null), root)
    const download = async (proxy: FlakyProxy, destination: string): Promise<number> => {
      const client = createClient({ url: proxy.url, token, cacheDir: null })
      await client.download({ artifact, destination })
      return proxy.receivedBytes()
    }
    const wholeBytes = await download(await startFlakyProxy(server.url), await makeDirectory())
    for (const how of ['reset', 'close'] as const) {
      const back = await makeDirectory()
      const proxy = await startFlakyProxy(server.url)
      proxy.cutNext(2, () => 100_000, how)
      // At least a third of each cut response arrives: a socket delivers up to 64 KiB at a time.
      expect(await download(proxy, back), how).toBeGreaterThan(wholeBytes + 60_000)
      expect(await describeTree(back), how).toEqual(await describeTree(root))
    }
  })

  test('moves nothing into DEST that an interrupted download of another artifact left', async () => {
    const root = await makeDirectory({ 'new/file': 'f', 'old/file': 'g' })
    const client = clientWith(null)
    const { artifact } = await uploadDirectory(client, root)
    const back = await makeDirectory({ 'old/kept': 'by the user' })
    await makeTree(join(back, '.trove-partial/earlier'), {
      'tree/other/deep/file': 'x',
      'tree/other/void': null,
      'tree/new/owner_of_another': 'w',
      'tree/new/file/deep': 'v',
      'tree/new/void': null,
      'tree/old/void': null,
      'files/0': 'torn',
      'files/sub/0': 'y',
      stray: 'z',
    })
    await client.download({ artifact, destination: back })
    await rm(join(back, 'old/kept'))
    expect(await describeTree(back)).toEqual(await describeTree(root))
  })

  test('never writes through a symlink, wherever it is', async () => {
    const back = await makeDirectory()
    const outside = await makeDirectory({ victim: 'untouched' })
    const root = await makeDirectory({ 'd/victim': 'd', 'e/f/victim': 'e', victim: 'v' })
    const client = clientWith(null)
    const { artifact } = await uploadDirectory(client, root)
    await symlink(outside, join(back, 'd'))
    await mkdir(join(back, 'e'))
    await symlink(outside, join(back, 'e/f'))
    await symlink(join(outside, 'victim'), join(back, 'victim'))
    const partial = join(back, '.trove-partial')
    const work = join(partial, 'earlier')
    const traps = [
      async () => {
        await mkdir(join(work, 'tree/e'), { recursive: true })
        await symlink(outside, join(work, 'tree/d'))
        await symlink(outside, join(work, 'tree/e/f'))
        await symlink(outside, join(work, 'files'))
      },
      async () => {
        for (const name of ['0', '1']) {
          await mkdir(join(work, 'files', name), { recursive: true })
          await symlink(join(outside, 'victim'), join(work, 'files', name, name))
        }
        await symlink(outside, join(work, 'files/2'))
        await symlink(outside, join(work, 'tree'))
        await symlink(outside, join(partial, 'a'))
        await rm(join(back, 'd'), { recursive: true })
        await rm(join(back, 'victim'))
      },
      async () => {
        await symlink(outside, partial)
        await rm(join(back, 'victim'))
      },
    ]
    for (const setTrap of traps) {
      await setTrap()
      await client.download({ artifact, destination: back })
      expect(await describeTree(outside)).toEqual({
        victim: expect.stringContaining('file') as string,
      })
      expect(await readFile(join(outside, 'victim'), 'utf8')).toBe('untouched')
      expect(await describeTree(back)).toEqual(await describeTree(root))
    }
  })

  test('never continues a large file that has another name, too', async () => {
    const root = await makeDirectory({ large: pseudoRandom(200_000, 'wanted') })
    const outside = await makeDirectory({ own: pseudoRandom(200_000, 'own') })
    const before = await describeTree(outside)
    const client = clientWith(null)
    const { artifact } = await uploadDirectory(client, root)
    // As of an interrupted download into a directory that was copied with hard links since.
    const back = await makeDirectory({ '.trove-partial/earlier/files/0': null })
    await link(join(outside, 'own'), join(back, '.trove-partial/earlier/files/0/0'))
    await client.download({ artifact, destination: back })
    expect(await describeTree(outside)).toEqual(before)
    expect(await describeTree(back)).toEqual(await describeTree(root))
  })

  test("keeps a user's directory that a file would replace, unless delete is set", async () => {
    const root = await makeDirectory({ other: 'o', thing: 'a file' })
    const back = await makeDirectory({ 'thing/precious': 'p' })
    const before = await describeTree(back)
    const client = clientWith(null)
    const { artifact } = await uploadDirectory(client, root)
    for (const dryRun of [true, false]) {
      const download = client.download({ artifact, destination: back, dryRun })
      await expect(download).rejects.toThrow('is a directory')
      expect(await describeTree(back)).toEqual(before)
    }
    const deleting = { artifact, destination: back, delete: true }
    const { planned } = await client.download({ ...deleting, dryRun: true })
    expect(planned).toEqual({ write: ['other', 'thing'], delete: ['thing'] })
    expect(await client.download(deleting)).toMatchObject({ writtenFiles: 2, deletedPaths: 1 })
    expect(await describeTree(back)).toEqual(await describeTree(root))
  })

  test.each([{ paths: ['a'] }, { symlinks: 'skip' } as const])(
    'of a part is rejected with delete: %o',
    async (part) => {
      const root = await makeDirectory({ a: 'a', link: '-> a' })
      const back = await makeDirectory({ b: 'b', link: '-> b' })
      const client = clientWith(null)
      const { artifact } = await uploadDirectory(client, root)
      const download = client.download({ artifact, destination: back, delete: true, ...part })
      await expect(download).rejects.toMatchObject({ code: 'invalid_request' })
      expect(Object.keys(await describeTree(back)).toSorted()).toEqual(['b', 'link'])
    },
  )

  test('after an earlier one plans and fetches what has changed and what is new, in path order', async () => {
    const client = clientWith(await makeDirectory())
    const back = await makeDirectory()
    const old = await makeDirectory({ b: '1', c: '1' })
    // A file that is as young as the cache may change unnoticed, so it is not cached.
    for (const path of ['b', 'c']) await utimes(join(old, path), 1_600_000_000, 1_600_000_000)
    const earlier = await uploadDirectory(client, old)
    await client.download({ artifact: earlier.artifact, destination: back })
    const root = await makeDirectory({ b: '2', c: '1', z: '2' })
    const { artifact } = await uploadDirectory(client, root)
    const { planned } = await client.download({ artifact, destination: back, dryRun: true })
    expect(planned).toEqual({ write: ['b', 'z'], delete: [] })
    await client.download({ artifact, destination: back })
    expect(await describeTree(back)).toEqual(await describeTree(root))
  })

  test('remembers the stats of files, except of those that may change without new ones', async () => {
    const files = { old: 'o', young: 'y' }
    const back = await makeDirectory(files)
    // Longer than a tick of the file system's clock may be.
    await sleep(60)
    const soon = Date.now() / 1000 + 60
    await utimes(join(back, 'young'), soon, soon)
    const cacheDir = await makeDirectory()
    const client = clientWith(cacheDir)
    const { artifact } = await uploadDirectory(client, await makeDirectory(files))
    await client.download({ artifact, destination: back })
    const [name = ''] = await readdir(join(cacheDir, 'destination'))
    const { stats } = (await readDestinationCache(join(cacheDir, 'destination', name)))!
    expect([0, 4].map((at) => Number.isNaN(stats[at]))).toEqual([false, true])
  })

  test('deletes files whose names are not valid UTF-8', async () => {
    const root = await makeDirectory({ a: 'a' })
    const back = await makeDirectory({ '\ufffd': 'valid', d: null })
    for (const name of [[0xff], [0xfe], [0x64, 0x2f, 0xff]])
      await writeFile(Buffer.concat([Buffer.from(`${back}/`), Buffer.from(name)]), '')
    const { artifact } = await uploadDirectory(clientWith(null), root)
    const options = { artifact, destination: back, delete: true }
    expect(await clientWith(null).download(options)).toMatchObject({ deletedPaths: 4 })
    expect(await readdir(back, 'buffer')).toEqual([Buffer.from('a')])
  })
})

test('a file that vanishes while its directory is verified counts as a difference', async () => {
  const root = await makeDirectory({ a: 'a', b: 'b' })
  const client = clientWith(null)
  const { artifact } = await uploadDirectory(client, root)
  const onProgress = (): void => rmSync(join(root, 'a'), { force: true })
  const result = await client.verify({ artifact, directory: root, onProgress })
  expect(result).toMatchObject({ missing: 0, changed: 1 })
  expect([...result.differences]).toMatchObject([{ kind: 'unreadable', path: 'a' }])
})
