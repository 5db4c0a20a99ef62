/** Damage and healing against a map: many seeds, longer runs. A failure names its seed. */
import { expect, test } from 'vitest'
import { runDamageModel } from './damage-model.ts'

test('random damage heals and loses nothing', { timeout: 30 * 60_000 }, async () => {
  let spoiled = 0
  for (let seed = 1000; seed < 1030; seed++) {
    spoiled += (await runDamageModel(seed, 100)).get('spoil') ?? 0
  }
  expect(spoiled).toBeGreaterThan(300)
})
