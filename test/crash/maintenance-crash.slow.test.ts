/** kill -9 at every step of scrubs and backups of many stores, and of one rebuild. TROVE_KILLS:
 *  minimum number of killed scrubs and backups. */
import { rm } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { buildMaintenanceStore, killAt, stepsOf, tasks } from './maintenance-crash.ts'

const killsMin = Number(process.env['TROVE_KILLS'] ?? 220)

test(
  'no kill at any step loses an artifact, exposes a partial backup, or leaves debris',
  { timeout: 30 * 60_000 },
  async () => {
    const kills = { scrub: 0, backup: 0, rebuild: 0 }
    for (let seed = 100; kills.scrub + kills.backup < killsMin; seed++) {
      const store = await buildMaintenanceStore(seed)
      try {
        for (const task of tasks) {
          if (task === 'rebuild' && kills.rebuild > 0) continue
          const { length } = await stepsOf(store, task)
          for (let nth = 0; nth < length; nth++) {
            await killAt(store, task, nth)
            kills[task] += 1
          }
        }
      } catch (error) {
        throw new Error(`seed ${seed}, kills ${JSON.stringify(kills)}: ${String(error)}`, {
          cause: error,
        })
      } finally {
        await rm(store.directory, { recursive: true, force: true })
      }
    }
    process.stdout.write(`killed: ${JSON.stringify(kills)}\n`)
    for (const count of Object.values(kills)) expect(count).toBeGreaterThan(0)
  },
)
