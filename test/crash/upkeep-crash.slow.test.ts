/** kill -9 at every step of scrubs, backups and rebuilds of many stores, at least 200 times. */
import { rm } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { buildUpkeepStore, killAt, stepsOf, tasks } from './upkeep-crash.ts'

const killsMin = 200

test('no kill at any step loses an artifact, shows half a backup, or leaves anything over', async () => {
  let kills = 0
  for (let seed = 100; kills < killsMin; seed++) {
    const store = await buildUpkeepStore(seed)
    try {
      for (const task of tasks) {
        const { length } = await stepsOf(store, task)
        for (let nth = 0; nth < length; nth++) {
          await killAt(store, task, nth)
          kills += 1
        }
      }
    } catch (error) {
      throw new Error(`seed ${seed}, kill ${kills}: ${String(error)}`, { cause: error })
    } finally {
      await rm(store.directory, { recursive: true, force: true })
    }
  }
  expect(kills).toBeGreaterThanOrEqual(killsMin)
})
