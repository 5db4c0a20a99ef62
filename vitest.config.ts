/** Everyday tests: all except `*.slow.test.ts`. */
import { availableParallelism } from 'node:os'
import { configDefaults, defineConfig } from 'vitest/config'
import { reportSecondTries, secondTries } from './test/second-tries.ts'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: [...configDefaults.exclude, 'test/**/*.slow.test.ts'],
    globalSetup: ['test/global-setup.ts', 'test/temporary-memory.ts'],
    // Processes instead of threads: tests change the environment, spawn children and load a native
    // module.
    pool: 'forks',
    // Test files share the modules of their worker: for most files, loading them again takes longer
    // than the tests.
    isolate: false,
    // Cache transformed modules of unchanged sources: halves the time of running a single file.
    experimental: { fsModuleCache: true },
    // One more than there are cores, since tests wait for processes, disks and silence. A
    // sixth faster on two cores.
    maxWorkers: availableParallelism() + 1,
    // The longest tests take a few seconds, on a busy machine ten times as long.
    testTimeout: 90_000,
    hookTimeout: 90_000,
    // Polled conditions can take long on a busy machine too.
    expect: { poll: { timeout: 10_000 } },
    retry: secondTries,
    reporters: ['default', reportSecondTries],
  },
})
