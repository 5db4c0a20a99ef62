/** A sync of the write-ahead log that fails once. */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { testDirectory } from '../temporary-directory.ts'

test('after a failed sync nothing is committed until the whole log is in the database', () => {
  const directory = testDirectory()
  const library = join(directory, 'failing-sync.so')
  execFileSync('cc', ['-shared', '-fPIC', '-o', library, 'test/metadata/failing-sync.c', '-ldl'])
  const child = ['test/metadata/failed-sync-child.mjs', join(directory, 'trove.db')]
  const output = execFileSync(process.execPath, child, {
    encoding: 'utf8',
    env: { ...process.env, LD_PRELOAD: library, FAIL_LOG_SYNC: join(directory, 'fail') },
  })
  expect(JSON.parse(output)).toEqual({
    outcomes: ['storage_failed', 'storage_failed', 'written'],
    // What the log held when its sync failed; later commits no longer depend on it.
    rows: ['staged'],
  })
})
