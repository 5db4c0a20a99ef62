/** Retries failed tests once in CI, since other load on the machine can push a test past a time
 *  limit. Each such test is reported at the end of the run with its failure, because a flaky
 *  test may also be a defect. */
import type { Reporter, TestModule } from 'vitest/node'

/** Number of retries of a failed test. */
export const secondTries: number = process.env['CI'] === undefined ? 0 : 1

export const reportSecondTries: Reporter = {
  onTestRunEnd(modules: readonly TestModule[]) {
    for (const module of modules) {
      for (const test of module.children.allTests('passed')) {
        if (test.diagnostic()?.flaky !== true) continue
        const failures = (test.result().errors ?? []).map(({ message }) => message)
        process.stderr.write(
          `passed on retry: ${module.relativeModuleId} > ${test.fullName}: ${failures.join('; ')}\n`,
        )
      }
    }
  },
}
