/** kill -9 at every step of the garbage collections of many stores: expire, sweep, compact.
 *  TROVE_KILLS: minimum number of kills. */
import { rm } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { buildCrashStore, killAt, stepsOf } from './collect-crash.ts'

const killsMin = Number(process.env['TROVE_KILLS'] ?? 300)

const steps = [
  'artifacts-expired',
  'released',
  'blobs-claimed',
  'blobs-removed',
  'pack-claimed',
  'pack-removed',
  'pack-row-removed',
  'compact-filled',
  'pack-written',
  'pack-synced',
  'pack-renamed',
  'pack-directory-synced',
  'compact-sealed',
  'compact-moved',
]

test(
  'no kill at any step loses an artifact or leaves debris',
  { timeout: 30 * 60_000 },
  async () => {
    const killed = new Map<string, number>()
    let kills = 0
    for (let seed = 100; kills < killsMin; seed++) {
      const store = await buildCrashStore(seed)
      try {
        const { length } = await stepsOf(store)
        for (let nth = 0; nth < length; nth++) {
          const name = await killAt(store, nth)
          killed.set(name, (killed.get(name) ?? 0) + 1)
          kills += 1
        }
      } catch (error) {
        throw new Error(`seed ${seed}, kill ${kills}: ${String(error)}`, { cause: error })
      } finally {
        await rm(store.directory, { recursive: true, force: true })
      }
    }
    process.stdout.write(`killed: ${kills}, ${JSON.stringify(Object.fromEntries(killed))}\n`)
    expect(new Set(killed.keys())).toEqual(new Set(steps))
  },
)
