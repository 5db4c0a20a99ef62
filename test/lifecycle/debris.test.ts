/** Packs that will never be registered are removed while the server runs, and no others. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { limits } from '../../src/core/limits.ts'
import { createDebrisRemoval } from '../../src/lifecycle/collect/debris.ts'
import { openStore, type TestStore } from '../ingest/open-store.ts'
import { packPaths } from './stored-bytes.ts'

async function sealUnregistered({ packs }: TestStore): Promise<void> {
  const sink = await packs.create()
  await sink.write(Buffer.from('nobody will ever ask for this'))
  await sink.seal()
}

test('a pack without a row is removed after a grace period; packs with a row stay', async () => {
  const store = await openStore()
  let elapsed = 0
  const removeDebris = createDebrisRemoval({ ...store.ports, now: () => 0 }, () => elapsed)
  await store.put('kept', 'file', Buffer.from('kept'))
  const kept = await packPaths(join(store.directory, 'cas'))
  await sealUnregistered(store)
  expect(await removeDebris()).toBe(0)
  elapsed = limits.debrisGraceMs - 1
  await sealUnregistered(store)
  expect(await removeDebris()).toBe(0)
  elapsed += 1
  expect(await removeDebris()).toBe(1)
  expect(await packPaths(join(store.directory, 'cas'))).toHaveLength(2)
  elapsed += limits.debrisGraceMs
  expect(await removeDebris()).toBe(1)
  expect(await packPaths(join(store.directory, 'cas'))).toEqual(kept)
})

test('a pack that is registered between two checks stays', async () => {
  const store = await openStore()
  let elapsed = 0
  const removeDebris = createDebrisRemoval({ ...store.ports, now: () => 0 }, () => elapsed)
  let look = async (): Promise<number> => await removeDebris()
  store.ports.checkpoint = async (name) => {
    if (name === 'pack-sealed') await look()
    elapsed += limits.debrisGraceMs
  }
  await store.put('kept', 'file', Buffer.from('kept'))
  look = async () => 0
  elapsed += limits.debrisGraceMs
  expect(await removeDebris()).toBe(0)
  expect(await packPaths(join(store.directory, 'cas'))).toHaveLength(1)
})

test('packs from before the start are left alone', async () => {
  const store = await openStore()
  await sealUnregistered(store)
  let elapsed = 0
  const later = { ...store.ports, now: () => Date.now() + 1000 }
  const removeDebris = createDebrisRemoval(later, () => elapsed)
  await removeDebris()
  elapsed = limits.debrisGraceMs
  expect(await removeDebris()).toBe(0)
  expect(await packPaths(join(store.directory, 'cas'))).toHaveLength(1)
})

test('an unsealed pack is removed when it was not written to for the grace period', async () => {
  const store = await openStore()
  const sink = await store.packs.create()
  await sink.write(Buffer.from('the thread that wrote this has died'))
  let passed = limits.debrisGraceMs - 60_000
  const removeDebris = createDebrisRemoval({ ...store.ports, now: () => Date.now() + passed })
  expect(await removeDebris()).toBe(0)
  passed = limits.debrisGraceMs + 60_000
  expect(await removeDebris()).toBe(1)
  expect(await readdir(join(store.directory, 'cas', 'staging', 'packs'))).toEqual([])
  await sink.abort()
})
