/** Power losses in an everyday run; power-loss.slow.test.ts has hundreds, and checks that they come at every step. */
import { expect, test } from 'vitest'
import { runPowerLosses } from './power-loss.ts'

test('what was not synced is lost, and nothing that was acknowledged', async () => {
  const { losses } = await runPowerLosses(1, 24)
  expect(losses).toBeGreaterThanOrEqual(24)
})
