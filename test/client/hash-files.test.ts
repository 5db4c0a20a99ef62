/** What reading a file tells about it, and when that may be remembered. */
import { execFileSync } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { hashColumns } from '../../src/client/files/file-tasks.ts'
import { hashFiles } from '../../src/client/files/hash-files.ts'
import { digestBytes, digestFromBytes, digestOf } from '../../src/core/bytes/digest.ts'
import { makeDirectory } from './tree.ts'

const listed = (paths: readonly string[]): string => paths.map((path) => `${path}\0`).join('')

test('a file of any length is hashed whole', async () => {
  const directory = await makeDirectory()
  const mib = 1024 * 1024
  const sizes = [0, 1, mib - 1, mib, mib + 1, 2 * mib]
  const contents = sizes.map((size) => Buffer.alloc(size, `${size}`))
  const paths = sizes.map((size) => join(directory, `${size}`))
  for (const [index, path] of paths.entries()) await writeFile(path, contents[index]!)
  const before = readdirSync('/proc/self/fd').length
  const { digests, stats } = hashFiles({ kind: 'hash', paths: listed(paths) })
  expect(readdirSync('/proc/self/fd')).toHaveLength(before)
  for (const [index, path] of paths.entries()) {
    const digest = digests.subarray(index * digestBytes, (index + 1) * digestBytes)
    expect([path, digestFromBytes(digest)]).toEqual([path, digestOf(contents[index]!)])
    const { size, mtimeMs, ctimeMs, ino, mode } = statSync(path)
    const columns = stats.subarray(index * hashColumns, (index + 1) * hashColumns)
    expect([...columns]).toEqual([size, mtimeMs, ctimeMs, ino, mode & 0o777])
  }
})

test('only what can no longer change unnoticed may be remembered', async () => {
  const directory = await makeDirectory({ old: 'x', recent: 'y' })
  // Its time is never older than the examination, as that of a file written in the same tick.
  const soon = new Date(Date.now() + 3_600_000)
  await utimes(join(directory, 'recent'), soon, soon)
  await sleep(60)
  const paths = listed([join(directory, 'old'), join(directory, 'recent')])
  expect([...hashFiles({ kind: 'hash', paths }).settled]).toEqual([1, 0])
})

test('what is no file, or has another length than its stats, has no digest', async () => {
  const directory = await makeDirectory({ file: 'x', sub: null })
  const pipe = join(directory, 'pipe')
  execFileSync('mkfifo', [pipe])
  // Its stats say that it is empty.
  const growing = '/proc/self/limits'
  const absent = join(directory, 'absent')
  for (const [path, reason] of [
    [join(directory, 'sub'), 'became a directory during the upload'],
    [pipe, 'cannot be read: it changed while being read'],
    [growing, 'cannot be read: it changed while being read'],
    [absent, 'disappeared during the upload'],
  ] as const)
    expect(() => hashFiles({ kind: 'hash', paths: listed([path]) })).toThrow(`${path} ${reason}`)
  const paths = [absent, pipe, growing, join(directory, 'file')]
  const { stats, digests } = hashFiles({ kind: 'check', paths: listed(paths) })
  const sizes = paths.map((_, index) => stats[index * hashColumns])
  expect(sizes).toEqual([Number.NaN, Number.NaN, Number.NaN, 1])
  expect(digestFromBytes(digests.subarray(3 * digestBytes))).toBe(digestOf('x'))
})
