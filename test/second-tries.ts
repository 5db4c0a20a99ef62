/** In CI a test that fails is tried once more, since other work on the machine can push one past a bound of time; each such
 *  test is named at the end of the run with how it failed, as a failure that comes and goes may as well be a defect. */
import type { Reporter, TestModule } from 'vitest/node'

/** How often a failed test is tried again. */
export const secondTries: number = process.env['CI'] === undefined ? 0 : 1

export const tellSecondTries: Reporter = {
  onTestRunEnd(modules: readonly TestModule[]) {
    for (const module of modules) {
      for (const test of module.children.allTests('passed')) {
        if (test.diagnostic()?.flaky !== true) continue
        const failures = (test.result().errors ?? []).map(({ message }) => message)
        process.stderr.write(
          `passed at a second try: ${module.relativeModuleId} > ${test.fullName}: ${failures.join('; ')}\n`,
        )
      }
    }
  },
}
