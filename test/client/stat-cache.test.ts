import { appendFile, readdir, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import {
  createStatCacheWriter,
  isRacy,
  readStatCache,
  statCachePath,
} from '../../src/client/stat-cache.ts'
import { makeDirectory } from './tree.ts'

function fill(path: string, names: string[]): void {
  const writer = createStatCacheWriter(path, names.length)
  names.forEach((name, index) => {
    writer.add(
      name,
      Float64Array.of(index, index + 0.5, index + 0.25, 2 ** 40 + index),
      Buffer.alloc(32, index),
    )
  })
  writer.save()
}

test('what was remembered is found, in ascending order, and nothing else', async () => {
  const path = statCachePath(await makeDirectory(), 'tree')
  fill(path, ['a', 'b/c', 'é', '😀'])
  const cache = readStatCache(path)
  const find = cache.cursor()
  expect(cache.count).toBe(4)
  expect(find('a')).toEqual({
    index: 0,
    stats: Float64Array.of(0, 0.5, 0.25, 2 ** 40),
    digest: Buffer.alloc(32, 0),
  })
  expect(find('b')).toBeUndefined()
  expect(find('b/c')?.stats[0]).toBe(1)
  expect(find('😀')?.digest).toEqual(Buffer.alloc(32, 3))
  expect(find('🙂')).toBeUndefined()
})

test('all of it comes in slices, in order, in buffers of their own', async () => {
  const path = statCachePath(await makeDirectory(), 'tree')
  fill(path, ['a', 'b/c', 'é', '😀', 'x y'].toSorted())
  const slices = [...readStatCache(path).slices(2)]
  expect(slices.map(({ first }) => first)).toEqual([0, 2, 4])
  expect(slices.map(({ paths }) => Buffer.from(paths).toString())).toEqual([
    'a\nb/c\n',
    'x y\né\n',
    '😀\n',
  ])
  expect(slices.flatMap(({ stats }) => [...stats])).toHaveLength(5 * 4)
  expect(slices[1]!.stats[0]).toBe(2)
  for (const { paths, stats } of slices)
    expect(paths.buffer.byteLength + stats.buffer.byteLength).toBeLessThan(100)
})

test('a cache that is damaged, cut short or absent is empty', async () => {
  const directory = await makeDirectory()
  const path = statCachePath(directory, 'tree')
  expect(readStatCache(path).count).toBe(0)
  fill(path, ['a', 'b'])
  await appendFile(path, 'x')
  expect(readStatCache(path).count).toBe(0)
  fill(path, ['a', 'b'])
  await truncate(path, 40)
  expect(readStatCache(path).count).toBe(0)
  expect(readStatCache(path).cursor()('a')).toBeUndefined()
})

test('a new cache takes the place of the old one and leaves nothing beside it', async () => {
  const directory = await makeDirectory()
  const path = statCachePath(directory, 'tree')
  fill(path, ['a', 'b'])
  fill(path, ['c'])
  expect(readStatCache(path).cursor()('c')).toBeDefined()
  expect(await readdir(join(directory, 'stat'))).toHaveLength(1)
})

test('a time as young as the look at it is racy; whole seconds are taken for a coarse clock', () => {
  expect(isRacy(1_000_000.5, 1_000_010)).toBe(true)
  expect(isRacy(1_000_000.5, 1_000_100)).toBe(false)
  expect(isRacy(1_000_000, 1_001_000)).toBe(true)
  expect(isRacy(1_000_000, 1_002_001)).toBe(false)
  expect(isRacy(2_000_000.5, 1_000_000)).toBe(true)
})
