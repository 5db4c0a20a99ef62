/** Tests that take minutes or gigabytes: `npm run test:slow`. One file at a time, since several
 *  measure memory, latency or disk use. */
import { configDefaults, defineConfig } from 'vitest/config'
import { reportSecondTries, secondTries } from './test/second-tries.ts'

export default defineConfig({
  test: {
    include: ['test/**/*.slow.test.ts'],
    exclude: configDefaults.exclude,
    globalSetup: 'test/global-setup.ts',
    pool: 'forks',
    fileParallelism: false,
    // Servers have all their threads, which `openServer` of everyday tests leaves out.
    env: { TROVE_TEST_THREADS: '1' },
    testTimeout: 15 * 60_000,
    hookTimeout: 10 * 60_000,
    // Polled conditions can take long on a busy machine.
    expect: { poll: { timeout: 10_000 } },
    retry: secondTries,
    // One line per test, since the log of half an hour is read for progress.
    reporters: ['verbose', reportSecondTries],
  },
})
