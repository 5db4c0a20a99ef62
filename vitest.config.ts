/** Everyday tests: everything but `*.slow.test.ts`. */
import { availableParallelism } from 'node:os'
import { configDefaults, defineConfig } from 'vitest/config'
import { secondTries, tellSecondTries } from './test/second-tries.ts'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: [...configDefaults.exclude, 'test/**/*.slow.test.ts'],
    globalSetup: 'test/global-setup.ts',
    // Processes, not threads: tests change the environment, spawn children and load a native module.
    pool: 'forks',
    // Files share what a worker has loaded: for most of them loading it again takes longer than their tests.
    isolate: false,
    // The default leaves one core idle, which on a two-core machine is half of it.
    maxWorkers: availableParallelism(),
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // What a poll waits for may take long on a machine that does much else.
    expect: { poll: { timeout: 10_000 } },
    retry: secondTries,
    reporters: ['default', tellSecondTries],
  },
})
