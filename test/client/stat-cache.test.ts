import { appendFile, readdir, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { isRacy, knownColumns, notCached, readStatCache } from '../../src/client/stat-cache.ts'
import { cacheFilePath } from '../../src/client/cache-files.ts'
import { createStatCacheWriter } from '../../src/client/stat-cache-writer.ts'
import { makeDirectory } from './tree.ts'

async function fill(path: string, names: string[]): Promise<void> {
  const writer = createStatCacheWriter(path, names.length)
  names.forEach((name, index) => {
    writer.add(
      name,
      Float64Array.of(index, index + 0.5, index + 0.25, 2 ** 40 + index),
      Buffer.alloc(32, index),
    )
  })
  await writer.save()
}

test('what was remembered is found, in ascending order, and nothing else', async () => {
  const path = cacheFilePath(await makeDirectory(), 'stat', 'tree')
  await fill(path, ['a', 'b/c', 'é', '😀'])
  const cache = await readStatCache(path)
  const find = cache.cursor()
  expect(cache.count).toBe(4)
  expect(['a', 'b', 'b/c', '😀', '🙂'].map(find)).toEqual([0, notCached, 1, 3, notCached])
  expect([...cache.stats.subarray(0, 4)]).toEqual([0, 0.5, 0.25, 2 ** 40])
  expect(cache.digests.subarray(3 * 32)).toEqual(Buffer.alloc(32, 3))
  expect(knownColumns(cache, [notCached, notCached])).toBeNull()
  const known = knownColumns(cache, [2, notCached])!
  expect([...known.stats]).toEqual([2, 2.5, 2.25, 2 ** 40 + 2, NaN, NaN, NaN, NaN])
  expect(Buffer.from(known.digests)).toEqual(Buffer.concat([Buffer.alloc(32, 2), Buffer.alloc(32)]))
})

test('a cache that is damaged, cut short or absent is empty', async () => {
  const directory = await makeDirectory()
  const path = cacheFilePath(directory, 'stat', 'tree')
  expect((await readStatCache(path)).count).toBe(0)
  await fill(path, ['a', 'b'])
  await appendFile(path, 'x')
  expect((await readStatCache(path)).count).toBe(0)
  await fill(path, ['a', 'b'])
  await truncate(path, 40)
  expect((await readStatCache(path)).count).toBe(0)
  expect((await readStatCache(path)).cursor()('a')).toBe(notCached)
})

test('a new cache takes the place of the old one and leaves nothing beside it', async () => {
  const directory = await makeDirectory()
  const path = cacheFilePath(directory, 'stat', 'tree')
  await fill(path, ['a', 'b'])
  await writeFile(`${path}.0123456789ab`, 'of a process that was killed')
  await fill(path, ['c'])
  expect((await readStatCache(path)).cursor()('c')).toBe(0)
  expect(await readdir(join(directory, 'stat'))).toHaveLength(1)
})

test('a time as young as the look at it is racy; whole seconds are taken for a coarse clock', () => {
  expect(isRacy(1_000_000.5, 1_000_010)).toBe(true)
  expect(isRacy(1_000_000.5, 1_000_100)).toBe(false)
  expect(isRacy(1_000_000, 1_001_000)).toBe(true)
  expect(isRacy(1_000_000, 1_002_001)).toBe(false)
  expect(isRacy(2_000_000.5, 1_000_000)).toBe(true)
})
