/** How many files the client's cache keeps, and which. */
import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { readdir, utimes } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { cacheFilePath, openCacheFile, readCacheFile } from '../../src/client/cache/cache-files.ts'
import { makeDirectory } from './tree.ts'
import { openFiles } from '../open-files.ts'

test.each(['mkfifo', 'mkdir'])('what %s made in place of a file is not read', async (make) => {
  const path = join(await makeDirectory(), 'cached')
  const before = openFiles()
  execFileSync(make, [path])
  expect(await readCacheFile(path)).toBeUndefined()
  const file = await openCacheFile(path)
  await file.write(Buffer.from('new'), 0)
  await file.finish().catch(async () => await file.abandon().catch(() => {}))
  expect(await readCacheFile(path)).toEqual(make === 'mkfifo' ? Buffer.from('new') : undefined)
  const other = await openCacheFile(path)
  await other.abandon()
  expect(readdirSync(dirname(path))).toEqual(['cached'])
  expect(openFiles()).toBe(before)
})

test('of two that replace a file at once, the one that began last does', async () => {
  const path = join(await makeDirectory(), 'cached')
  const first = await openCacheFile(path)
  const last = await openCacheFile(path)
  await last.write(Buffer.from('last'), 0)
  await last.finish()
  await expect(first.finish()).rejects.toMatchObject({ code: 'ENOENT' })
  await first.abandon()
  expect(await readCacheFile(path)).toEqual(Buffer.from('last'))
})

test('the least recently used files are deleted, and reading a file counts as use', async () => {
  const directory = await makeDirectory()
  const pathOf = (tree: number): string => cacheFilePath(directory, 'stat', `tree ${tree}`)
  const write = async (tree: number): Promise<void> => {
    const file = await openCacheFile(pathOf(tree))
    await file.write(Buffer.from(`${tree}`), 0)
    await file.finish()
    // Each is a minute newer than the one before.
    const at = new Date(Date.UTC(2026, 0, 1, 0, tree))
    await utimes(pathOf(tree), at, at)
  }
  for (let tree = 0; tree < 64; tree++) await write(tree)
  expect(await readCacheFile(pathOf(0))).toEqual(Buffer.from('0'))
  for (let tree = 64; tree < 70; tree++) await write(tree)
  expect(await readdir(dirname(pathOf(0)))).toHaveLength(64)
  expect(await readCacheFile(pathOf(0))).toEqual(Buffer.from('0'))
  expect(await readCacheFile(pathOf(6))).toBeUndefined()
  expect(await readCacheFile(pathOf(7))).toEqual(Buffer.from('7'))
})
