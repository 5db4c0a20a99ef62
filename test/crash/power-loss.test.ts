/** Power losses in an everyday run. power-loss.slow.test.ts has hundreds, and checks that they
 *  occur at every step. */
import { expect, test } from 'vitest'
import { turns } from '../turns.ts'
import { runPowerLosses } from './power-loss.ts'

test('a power loss loses only unsynced data and nothing that was acknowledged', async () => {
  const wanted = turns(24)
  const { losses } = await runPowerLosses(1, wanted)
  expect(losses).toBeGreaterThanOrEqual(wanted)
})
