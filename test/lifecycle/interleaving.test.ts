/** `interleaving.slow.test.ts` runs more rounds. INTERLEAVING_SEED reruns one seed. */
import { expect, test } from 'vitest'
import { turns } from '../turns.ts'
import { runInterleaving } from './interleaving.ts'

const seed = Number(process.env['INTERLEAVING_SEED'] ?? Math.floor(Math.random() * 2 ** 31))

test(`actors interleaved at every call lose nothing (seed ${seed})`, async () => {
  const counts = await runInterleaving(seed, turns(50))
  expect(counts.get('upload')).toBeGreaterThan(0)
})
