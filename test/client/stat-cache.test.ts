import type { Stats } from 'node:fs'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { uptime } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { cacheFilePath } from '../../src/client/cache/cache-files.ts'
import { beginTreeCache, readTreeCache, treeCacheMagic } from '../../src/client/cache/tree-cache.ts'
import { isRacy, isSettled, isSettledAsMade } from '../../src/client/files/racy.ts'
import { readStatCache, rememberSource } from '../../src/client/upload/stat-cache.ts'
import { digestOf, digestToBytes } from '../../src/core/bytes/digest.ts'
import { pagesOf } from '../../src/core/slices.ts'
import { linesOf } from '../core/manifest-lines.ts'
import { makeDirectory } from './tree.ts'

const treeDigest = digestOf('tree')

async function remember(
  path: string,
  names: string[],
  committing?: Promise<unknown>,
): Promise<void> {
  const lines = names.map((name) => `d 700 ${name}\n`)
  const { text, starts } = linesOf(Buffer.from(lines.join('')))
  const stats = Float64Array.from({ length: names.length * 4 }, (_, at) => 2 ** 41 + at / 2)
  const pieces = Array.from(pagesOf(text.length, 64 * 1024), ({ at, lengthBytes }) =>
    text.subarray(at, at + lengthBytes),
  )
  const tree = { count: names.length, treeDigest, text: pieces, lineStarts: () => starts }
  await rememberSource(path, tree, stats, committing)
}

/** Remembers two files, changed long before and shortly before that. Returns the sizes in their
 *  stats as they are read back. */
async function sizesSavedAt(savedAt: number): Promise<number[]> {
  const path = await newPath()
  const { text, starts } = linesOf(Buffer.from('d 700 a\nd 700 b\n'))
  const tree = { count: 2, treeDigest, text: [text], lineStarts: () => starts }
  const [long, shortly] = [savedAt - 11 * 60_000, savedAt - 1000]
  vi.useFakeTimers({ now: savedAt, toFake: ['Date'] })
  try {
    await rememberSource(path, tree, Float64Array.of(7, long, long, 1, 8, long, shortly, 2))
  } finally {
    vi.useRealTimers()
  }
  const { stats } = (await readStatCache(path))!
  return [stats[0]!, stats[4]!]
}

async function newPath(): Promise<string> {
  return cacheFilePath(await makeDirectory(), 'stat', 'tree')
}

test('reads back what was saved', async () => {
  const path = await newPath()
  await remember(path, ['a', 'b/c', 'é'])
  const cache = (await readStatCache(path))!
  expect(cache).toMatchObject({ count: 3, treeDigest })
  expect(cache.text.toString()).toBe('d 700 a\nd 700 b/c\nd 700 é\n')
  expect([...cache.starts]).toEqual([0, 8, 18, 27])
  expect(cache.stats[11]).toBe(2 ** 41 + 5.5)
})

test('reads back a large tree, whose columns and text take more than one write', async () => {
  const path = await newPath()
  const names = Array.from({ length: 20_000 }, (_, index) => `${'n'.repeat(30)}${100_000 + index}`)
  await remember(path, names)
  const { count, text, starts, stats } = (await readStatCache(path))!
  expect([count, starts[count], stats.at(-1)]).toEqual([20_000, text.length, 2 ** 41 + 39_999.5])
  expect(text.equals(Buffer.from(names.map((name) => `d 700 ${name}\n`).join('')))).toBe(true)
})

test('an absent, truncated or damaged cache is ignored', async () => {
  const path = await newPath()
  expect(await readStatCache(null)).toBeNull()
  expect(await readStatCache(path)).toBeNull()
  await remember(path, ['a', 'b'])
  const bytes = await readFile(path)
  for (let at = 0; at < bytes.length; at++) {
    const damaged = Buffer.from(bytes)
    damaged[at]! ^= 1
    await writeFile(path, damaged)
    expect(await readStatCache(path), `byte ${at}`).toBeNull()
    await writeFile(path, bytes.subarray(0, at))
    expect(await readStatCache(path), `${at} bytes`).toBeNull()
  }
  await writeFile(path, Buffer.concat([bytes, Buffer.from('x')]))
  expect(await readStatCache(path)).toBeNull()
  const onlyBegun = Buffer.alloc(bytes.length)
  bytes.copy(onlyBegun, 0, 0, 24)
  for (const length of [40, bytes.length]) {
    await writeFile(path, onlyBegun.subarray(0, length))
    expect(await readStatCache(path), `${length} bytes`).toBeNull()
  }
})

test('a cache of another kind or version is ignored', async () => {
  const path = await newPath()
  const { text, starts } = linesOf(Buffer.from('d 700 a\n'))
  const tree = {
    count: 1,
    origin: digestToBytes(treeDigest),
    text: [text],
    lineStarts: () => starts,
  }
  const own = treeCacheMagic('stat', 3)
  for (const magic of [own, treeCacheMagic('stat', 2), treeCacheMagic('destination', 3)]) {
    await beginTreeCache(path, magic, tree).save(new Float64Array(4))
    expect((await readTreeCache(path, own)) !== null).toBe(magic === own)
  }
})

test('a cache that cannot be written does no harm', async () => {
  const path = join(await makeDirectory({ file: 'x' }), 'file/cache')
  const tree = { count: 0, origin: Buffer.alloc(0), text: [], lineStarts: () => Uint32Array.of(0) }
  const writer = beginTreeCache(path, treeCacheMagic('stat', 3), tree)
  await setTimeout(20)
  await writer.save(new Float64Array(0))
  await writer.abandon()
  expect(await readStatCache(path)).toBeNull()
})

test('after a restart files that were new, and may not have reached the disk, are forgotten', async () => {
  expect(await sizesSavedAt(Date.now() - 1000)).toEqual([7, 8])
  expect(await sizesSavedAt(Date.now() - (uptime() + 60) * 1000)).toEqual([7, Number.NaN])
  // The clock was set back.
  expect(await sizesSavedAt(Date.now() + 3_600_000)).toEqual([7, Number.NaN])
})

test('a new cache replaces the old one without leftovers', async () => {
  const directory = await makeDirectory()
  const path = cacheFilePath(directory, 'stat', 'tree')
  await remember(path, ['a', 'b'])
  await writeFile(`${path}.0123456789ab`, 'of a process that was killed')
  await remember(path, ['c'])
  expect((await readStatCache(path))!.text.toString()).toBe('d 700 c\n')
  expect(await readdir(join(directory, 'stat'))).toHaveLength(1)
})

test('a tree that waits for a commit is saved after it, and not if the commit fails', async () => {
  const directory = await makeDirectory()
  const path = cacheFilePath(directory, 'stat', 'tree')
  const told = async (): Promise<string> => (await readStatCache(path))!.text.toString()
  await remember(path, ['a'])
  let commit: () => void = () => {}
  const committing = new Promise<void>((resolve) => {
    commit = resolve
  })
  const remembering = remember(path, ['b'], committing)
  await setTimeout(20)
  expect(await told()).toBe('d 700 a\n')
  commit()
  await remembering
  expect(await told()).toBe('d 700 b\n')
  await remember(path, ['c'], Promise.reject(new Error('no commit')))
  expect(await told()).toBe('d 700 b\n')
  expect(await readdir(join(directory, 'stat'))).toHaveLength(1)
})

test('an mtime as recent as the examination is racy; whole seconds count as a coarse clock', () => {
  expect(isRacy(1_000_000.5, 1_000_010)).toBe(true)
  expect(isRacy(1_000_000.5, 1_000_100)).toBe(false)
  expect(isRacy(1_000_000, 1_001_000)).toBe(true)
  expect(isRacy(1_000_000, 1_002_001)).toBe(false)
  expect(isRacy(2_000_000.5, 1_000_000)).toBe(true)
})

test.each([
  ['old times', 1000.5, 1000.5, [true, true]],
  ['an old mtime that was set just now', 1000.5, 99_999.5, [false, true]],
  ['an old mtime that was set just now, by a coarse clock', 1000, 99_000, [false, false]],
  ['an old mtime in whole seconds, and a ctime', 1000, 2000.5, [true, true]],
  ['whole seconds, changed after the last write', 1000, 2000, [true, true]],
  ['an mtime ahead of the ctime', 99_999.5, 1000.5, [false, false]],
  ['a new mtime', 99_999.5, 99_999.5, [false, false]],
  ['an mtime in place of the ctime', 1000, 1000, [false, false]],
  ['no ctime', 1000, -11_644_473_600_000, [false, false]],
])('%s: settled or not, when read and when written', (_, mtimeMs, ctimeMs, wanted) => {
  const stats = { mtimeMs, ctimeMs } as Stats
  expect([isSettled(stats, 100_000), isSettledAsMade(stats, 100_000)]).toEqual(wanted)
})
