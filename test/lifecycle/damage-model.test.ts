/** Damage and healing against a map, for a few seeds; the slow test runs more. */
import { expect, test } from 'vitest'
import { turns } from '../turns.ts'
import { runDamageModel } from './damage-model.ts'

test.each([1, 2, 3].slice(0, turns(3)))(
  'random damage heals and loses nothing (seed %i)',
  async (seed) => {
    const counts = await runDamageModel(seed, 25)
    expect(counts.get('upload')).toBeGreaterThan(0)
  },
)
