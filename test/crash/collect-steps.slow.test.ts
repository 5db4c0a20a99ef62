/** kill -9 once at each named step of a garbage collection. */
import { rm } from 'node:fs/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { buildCrashStore, type CrashStore, killAt, stepsOf } from './collect-crash.ts'

const names = [
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

let store: CrashStore
let steps: string[]

beforeAll(async () => {
  store = await buildCrashStore(1)
  steps = await stepsOf(store)
})
afterAll(async () => {
  await rm(store.directory, { recursive: true, force: true })
})

test('a collection passes exactly the steps that are tested', () => {
  expect(new Set(steps)).toEqual(new Set(names))
})

test.each(names)('killed at %s', async (name) => {
  expect(await killAt(store, steps.indexOf(name))).toBe(name)
})
