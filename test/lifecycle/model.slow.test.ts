/** The model for thousands of steps per seed. MODEL_SEED reruns one seed. */
import { expect, test } from 'vitest'
import { runModel } from './model.ts'

const given = process.env['MODEL_SEED']
const seeds = given === undefined ? [1, 2, 3, Math.floor(Math.random() * 2 ** 31)] : [Number(given)]

test.each(seeds)('3,000 random steps of a store and a map agree (seed %i)', async (seed) => {
  const counts = await runModel(seed, 3000)
  for (const kind of ['upload', 'undo', 'collect', 'read', 'die', 'reopen', 'scrub', 'corrupt']) {
    expect(counts.get(kind)).toBeGreaterThan(10)
  }
})
