/** The hashed tree of an upload is the same whether much of it was cached or nothing. */
import { chmod, mkdir, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { cacheFilePath } from '../../src/client/cache/cache-files.ts'
import { openFilePool } from '../../src/client/files/file-pool.ts'
import type { HashedTree } from '../../src/client/upload/hashed-tree.ts'
import { openTreeHasher } from '../../src/client/upload/tree-hasher.ts'
import { listSources } from '../../src/client/upload/list-sources.ts'
import { walkSources } from '../../src/client/upload/walk.ts'
import { readStatCache } from '../../src/client/upload/stat-cache.ts'
import { makeDirectory, makeTree } from './tree.ts'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { turns } from '../turns.ts'

const pool = openFilePool(2)
afterAll(async () => {
  await pool.close()
})

const { signal } = new AbortController()

async function hash(
  directory: string,
  cachePath: string | null,
  symlinks: 'keep' | 'follow' = 'keep',
): Promise<{ tree: HashedTree; read: number }> {
  let read = 0
  const counting = {
    ...pool,
    run: (async (task: { kind: string; paths: string }, transfer) => {
      if (task.kind === 'hash') read += task.paths.split('\0').length - 1
      return await pool.run(task as never, transfer)
    }) as typeof pool.run,
  }
  const followsLinks = symlinks === 'follow'
  const options = { cachePath, followsLinks, signal, onProgress: () => {} }
  const hasher = await openTreeHasher(counting, options)
  const walk = { directory, includeHidden: true, symlinks, exclude: [], signal }
  const source = await walkSources(['.'], { ...walk, onFiles: hasher.add })
  return { tree: await hasher.finish(source), read }
}

/** Everything that a hashed tree reports. */
function toldOf(tree: HashedTree): unknown {
  const files = Array.from({ length: tree.source.count }, (_, ordinal) =>
    tree.source.kind(ordinal) === 'file'
      ? [tree.digest(ordinal), tree.digestBytes(ordinal).toString('hex'), tree.sizeBytes(ordinal)]
      : null,
  )
  const text = Buffer.concat([...tree.text()]).toString()
  return { text, files, summary: tree.summary, times: tree.timesDigest }
}

/** Waits until the files written so far are settled. */
async function settle(): Promise<void> {
  await sleep(60)
}

const paths = ['a', 'b/c', 'b/d', 'b/é', 'c', 'd/e/f', 'd/g', 'z']
const things = fc.oneof(
  fc.record({ kind: fc.constant('file' as const), content: fc.constantFrom('x', 'y', 'zz') }),
  fc.record({ kind: fc.constant('script' as const), content: fc.constantFrom('x', 'y') }),
  fc.record({ kind: fc.constant('link' as const), content: fc.constantFrom('x', 'a') }),
  fc.record({ kind: fc.constant('directory' as const), content: fc.constant('') }),
)
const changes = fc.array(fc.tuple(fc.constantFrom(...paths), fc.option(things)), { maxLength: 8 })

async function change(root: string, list: [string, { kind: string; content: string } | null][]) {
  for (const [path, thing] of list) {
    const full = join(root, path)
    await rm(full, { recursive: true, force: true })
    if (thing === null) continue
    await mkdir(dirname(full), { recursive: true })
    if (thing.kind === 'link') await symlink(thing.content, full)
    else if (thing.kind === 'directory') await mkdir(full)
    else {
      await writeFile(full, thing.content)
      if (thing.kind === 'script') await chmod(full, 0o755)
    }
  }
}

test('is the same after any changes with repeated caching', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(changes, { minLength: 1, maxLength: 4 }), async (rounds) => {
      const cachePath = cacheFilePath(await makeDirectory(), 'stat', 'tree')
      const root = await makeDirectory({ base: 'x', 'sub/base': 'y' })
      for (const round of rounds) {
        await change(root, round)
        await settle()
        const { tree } = await hash(root, cachePath)
        expect(toldOf(tree)).toEqual(toldOf((await hash(root, null)).tree))
        await tree.saveStatCache()
        expect((await readStatCache(cachePath))!.treeDigest).toBe(tree.summary.treeDigest)
      }
    }),
    { numRuns: turns(25) },
  )
})

test('only changed files are read, and an unchanged tree is not saved again', async () => {
  const cachePath = cacheFilePath(await makeDirectory(), 'stat', 'tree')
  // Long names, so that the text has several pieces.
  const nameOf = (index: number): string => `d${index % 7}/${index}`.padEnd(250, '-')
  const names = Array.from({ length: 300 }, (_, index) => nameOf(index))
  const root = await makeDirectory(Object.fromEntries(names.map((name) => [name, name])))
  await settle()
  const first = await hash(root, cachePath)
  expect(first.read).toBe(300)
  await first.tree.saveStatCache()
  const again = await hash(root, cachePath)
  expect(again.read).toBe(0)
  await rm(cachePath)
  await again.tree.saveStatCache()
  expect(await readStatCache(cachePath)).toBeNull()
  await first.tree.saveStatCache()
  await writeFile(join(root, nameOf(3)), 'changed')
  await writeFile(join(root, 'd3/new'), 'new')
  await rm(join(root, nameOf(0)))
  const changed = await hash(root, cachePath)
  expect(changed.read).toBe(2)
  expect(toldOf(changed.tree)).toEqual(toldOf((await hash(root, null)).tree))
})

test('a file that may change without a new time is read each time', async () => {
  const cachePath = cacheFilePath(await makeDirectory(), 'stat', 'tree')
  const root = await makeDirectory({ old: 'o', young: 'y' })
  const soon = Date.now() / 1000 + 60
  await utimes(join(root, 'young'), soon, soon)
  await settle()
  for (const expected of [2, 1]) {
    const { tree, read } = await hash(root, cachePath)
    expect(read).toBe(expected)
    await tree.saveStatCache()
  }
})

test('a file whose mode changed is read again', async () => {
  const cachePath = cacheFilePath(await makeDirectory(), 'stat', 'tree')
  const root = await makeDirectory({ f: 'x', g: 'y' })
  await settle()
  await (await hash(root, cachePath)).tree.saveStatCache()
  await chmod(join(root, 'f'), 0o755)
  const { tree, read } = await hash(root, cachePath)
  expect(read).toBe(1)
  expect(Buffer.concat([...tree.text()]).toString()).toMatch(/^f 755 1 \w+ f\nf 644 1 \w+ g\n$/)
})

test('a file whose mtime is set back after each write is never taken from the cache', async () => {
  const root = await makeDirectory()
  const cachePath = cacheFilePath(await makeDirectory(), 'stat', 'tree')
  for (const content of ['one', 'two', 'six']) {
    await writeFile(join(root, 'f'), content)
    await utimes(join(root, 'f'), 1_600_000_000.5, 1_600_000_000.5)
    const { tree, read } = await hash(root, cachePath)
    expect([read, tree.digest(0)]).toEqual([1, digestOf(content)])
    await tree.saveStatCache()
  }
})

test('a file that is gone when it is read fails the tree by its name', async () => {
  const root = await makeDirectory({ a: 'x', z: 'y' })
  const files = ['a', 'gone', 'z'].map((name) => ({
    absolutePath: join(root, name),
    entryPath: name,
  }))
  const source = listSources(files)
  const options = { cachePath: null, followsLinks: true, signal, onProgress: () => {} }
  const hasher = await openTreeHasher(pool, options)
  hasher.add(0, source.count, source)
  await expect(hasher.finish(source)).rejects.toMatchObject({ path: join(root, 'gone') })
})

test('files below a followed symlink are cached', async () => {
  const cachePath = cacheFilePath(await makeDirectory(), 'stat', 'tree')
  const [root, elsewhere] = [await makeDirectory(), await makeDirectory({ f: 'x' })]
  await makeTree(root, { own: 'y', link: `-> ${elsewhere}` })
  await settle()
  await (await hash(root, cachePath, 'follow')).tree.saveStatCache()
  const { tree, read } = await hash(root, cachePath, 'follow')
  expect([tree.source.paths, read]).toEqual([['link', 'link/f', 'own'], 0])
})

test('a list of files has a common root only if all files are below it', () => {
  const named = (absolutePath: string, entryPath: string) => ({ absolutePath, entryPath })
  const below = listSources([named('/w/a', 'a'), named('/w/b/c', 'b/c')])
  expect(below).toMatchObject({ root: '/w', isBelowRoot: true })
  expect([0, 1].map(below.sourceOf)).toEqual(['/w/a', '/w/b/c'])
  const apart = listSources([named('/w/a', 'a'), named('/v/x', 'b/c')])
  expect(apart.isBelowRoot).toBe(false)
  expect([0, 1].map(apart.sourceOf)).toEqual(['/w/a', '/v/x'])
  expect(listSources([named('/w/a', 'b')])).toMatchObject({ root: '/', isBelowRoot: false })
})
