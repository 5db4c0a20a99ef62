/** The lock of a data directory, and what it tells about its holder. */
import { chmod, mkdir, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { lockDataDir } from '../../src/metadata/sqlite/data-lock.ts'
import { testDirectory } from '../temporary-directory.ts'

test('an address that cannot be written, nor removed again, ends nobody', async () => {
  const directory = testDirectory()
  const lock = lockDataDir(directory, 'test')
  onTestFinished(lock.release)
  // As on a disk that fails: neither a file nor removable as one.
  await mkdir(join(directory, 'server.url.new'))
  lock.announce('http://127.0.0.1:9')
  expect(await readdir(directory)).not.toContain('server.url')
})

test('in a directory that others may enter, they cannot open the lock to hold it', async () => {
  const directory = testDirectory()
  await chmod(directory, 0o755)
  const lock = lockDataDir(directory, 'test')
  onTestFinished(lock.release)
  expect((await stat(join(directory, 'server.lock'))).mode & 0o777).toBe(0o600)
})
