/** The model for as long as a normal run allows; `model.slow.test.ts` runs thousands of steps. */
import { expect, test } from 'vitest'
import { turns } from '../turns.ts'
import { runModel } from './model.ts'

const seed = Number(process.env['MODEL_SEED'] ?? Math.floor(Math.random() * 2 ** 31))

test(`random steps of a store and a map agree (seed ${seed})`, async () => {
  const counts = await runModel(seed, turns(250))
  expect(counts.get('upload')).toBeGreaterThan(0)
})
