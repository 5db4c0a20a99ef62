/** The lock of a data directory, and what it tells about its holder. */
import { mkdir, readdir } from 'node:fs/promises'
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
