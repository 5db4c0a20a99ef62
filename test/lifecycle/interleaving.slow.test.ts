/** The interleavings for hundreds of rounds per seed. INTERLEAVING_SEED reruns one seed. */
import { expect, test } from 'vitest'
import { runInterleaving } from './interleaving.ts'

const given = process.env['INTERLEAVING_SEED']
const seeds = given === undefined ? [1, Math.floor(Math.random() * 2 ** 31)] : [Number(given)]

test.each(seeds)('150 rounds of interleaved actors lose nothing (seed %i)', async (seed) => {
  const counts = await runInterleaving(seed, 150)
  for (const kind of ['upload', 'negotiate', 'download', 'undo', 'collect', 'scrub', 'backup']) {
    expect(counts.get(kind)).toBeGreaterThan(5)
  }
})
