/** Everyday tests: everything but `*.slow.test.ts`. */
import { availableParallelism } from 'node:os'
import { configDefaults, defineConfig } from 'vitest/config'
import { secondTries, tellSecondTries } from './test/second-tries.ts'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: [...configDefaults.exclude, 'test/**/*.slow.test.ts'],
    globalSetup: ['test/global-setup.ts', 'test/temporary-memory.ts'],
    // Processes, not threads: tests change the environment, spawn children and load a native module.
    pool: 'forks',
    // Files share what a worker has loaded: for most of them loading it again takes longer than their tests.
    isolate: false,
    // What was made of sources that did not change since is kept: half of the time of a run of a single file.
    experimental: { fsModuleCache: true },
    // One more than there are cores: tests wait for processes, disks and silence. On two cores 106 s in place of 128.
    maxWorkers: availableParallelism() + 1,
    // The longest take some seconds; on a machine that does much else ten times as long.
    testTimeout: 90_000,
    hookTimeout: 90_000,
    // What a poll waits for may take long there too.
    expect: { poll: { timeout: 10_000 } },
    retry: secondTries,
    reporters: ['default', tellSecondTries],
  },
})
