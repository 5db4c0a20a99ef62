/** Hundreds of power losses, which keep nothing or some of the unsynced data. TROVE_KILLS: minimum
 *  number of losses. */
import { expect, test } from 'vitest'
import { runPowerLosses } from './power-loss.ts'

const lossesMin = Number(process.env['TROVE_KILLS'] ?? 600)
const perSeed = Math.min(120, lossesMin / 2)

const everyStep = [
  'session-opened',
  'pack-written',
  'pack-synced',
  'pack-renamed',
  'pack-directory-synced',
  'manifest-staged',
  'commit-next',
  'committed',
  'released',
  'blobs-claimed',
  'blobs-removed',
  'pack-claimed',
  'pack-removed',
  'pack-row-removed',
  'compact-sealed',
  'compact-moved',
]

test('a power loss at any step loses nothing that was acknowledged', async () => {
  const steps = new Map<string, number>()
  let losses = 0
  for (let seed = 100; losses < lossesMin; seed++) {
    const run = await runPowerLosses(seed, perSeed)
    losses += run.losses
    for (const [step, count] of run.steps) steps.set(step, (steps.get(step) ?? 0) + count)
  }
  process.stdout.write(`${losses} losses: ${JSON.stringify(Object.fromEntries(steps))}\n`)
  // A shortened run may miss some steps.
  expect([...steps.keys()]).toEqual(
    expect.arrayContaining(
      lossesMin < 600 ? ['commit-next', 'released', 'pack-removed'] : everyStep,
    ),
  )
})
