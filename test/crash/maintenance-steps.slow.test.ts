/** kill -9 once at each named step of scrub, backup and rebuild. */
import { rm } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  buildMaintenanceStore,
  killAt,
  stepsOf,
  type MaintenanceStore,
} from './maintenance-crash.ts'

const sealing = ['pack-written', 'pack-synced', 'pack-renamed', 'pack-directory-synced']
const names = {
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
} as const

let store: MaintenanceStore
beforeAll(async () => {
  store = await buildMaintenanceStore(1)
})
afterAll(async () => {
  await rm(store.directory, { recursive: true, force: true })
})

describe.each(['scrub', 'backup', 'rebuild'] as const)('%s', (task) => {
  let steps: string[]
  beforeAll(async () => {
    steps = await stepsOf(store, task)
  })

  test('passes exactly the steps that are tested', () => {
    expect(new Set(steps)).toEqual(new Set(names[task]))
  })

  test.each(names[task])('killed at %s', async (name) => {
    expect(await killAt(store, task, steps.indexOf(name))).toBe(name)
  })
})
