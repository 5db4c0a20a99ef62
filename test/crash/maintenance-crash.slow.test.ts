/** kill -9 at every step of scrubs and backups of many stores, and of one rebuild. TROVE_KILLS:
 *  minimum number of killed scrubs and backups. */
import { rm } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { buildMaintenanceStore, killAt, stepsOf, tasks } from './maintenance-crash.ts'

const killsMin = Number(process.env['TROVE_KILLS'] ?? 220)

const sealing = ['pack-written', 'pack-synced', 'pack-renamed', 'pack-directory-synced']
const steps = {
  scrub: [
    'scrub-pack-begun',
    'scrub-copies-read',
    'scrub-pack-judged',
    'compact-filled',
    ...sealing,
    'compact-sealed',
    'compact-moved',
    'scrub-pack-rewritten',
    'scrub-pack-verified',
    'scrub-reconciled',
  ],
  backup: [
    'backup-begun',
    'backup-metadata-copied',
    'backup-pack-brought',
    'backup-packs-brought',
    'backup-renamed',
  ],
  rebuild: [
    'rebuild-pack-registered',
    'manifest-staged',
    'commit-next',
    'committed',
    'rebuild-pack-published',
  ],
}

test(
  'no kill at any step loses an artifact, exposes a partial backup, or leaves debris',
  { timeout: 30 * 60_000 },
  async () => {
    const killed: Record<(typeof tasks)[number], string[]> = { scrub: [], backup: [], rebuild: [] }
    const counts = (): string =>
      JSON.stringify(tasks.map((task) => `${task}: ${killed[task].length}`))
    for (let seed = 100; killed.scrub.length + killed.backup.length < killsMin; seed++) {
      const store = await buildMaintenanceStore(seed)
      try {
        for (const task of tasks) {
          if (task === 'rebuild' && killed.rebuild.length > 0) continue
          const { length } = await stepsOf(store, task)
          for (let nth = 0; nth < length; nth++) killed[task].push(await killAt(store, task, nth))
        }
      } catch (error) {
        throw new Error(`seed ${seed}, kills ${counts()}: ${String(error)}`, { cause: error })
      } finally {
        await rm(store.directory, { recursive: true, force: true })
      }
    }
    process.stdout.write(`killed: ${counts()}\n`)
    for (const task of tasks) expect(new Set(killed[task])).toEqual(new Set(steps[task]))
  },
)
