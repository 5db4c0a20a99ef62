/** A damaged store, and the checks after a scrub, a backup or a rebuild died at any step: intact
 *  data stays intact, damage is reported and heals, a backup is complete or absent, and there is no
 *  debris. */
import { mkdtemp, rename, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { noFacts, parseProjectName } from '../../src/core/run/run.ts'
import { damagedPaths } from '../../src/egress/damage.ts'
import { representZip } from '../../src/egress/egress.ts'
import { backUp } from '../../src/lifecycle/backup/backup.ts'
import { rebuildFromPacks } from '../../src/lifecycle/recovery/rebuild.ts'
import { buildZip } from '../corpus/build-zip.ts'
import { ingestBody, ingestSettings, jobOf, readAll } from '../ingest/open-store.ts'
import { collectNow, scrubNow } from '../lifecycle/collection.ts'
import { diskBytes, leftovers } from '../lifecycle/leftovers.ts'
import { createRandom } from '../lifecycle/random-world.ts'
import { recoverAt, type StoreAt, withStoreAt } from '../lifecycle/store-at.ts'
import { flipByte, packPaths } from '../lifecycle/stored-bytes.ts'
import { runAndDie, withCopy } from './dying.ts'

export const tasks = ['scrub', 'backup', 'rebuild'] as const
type Task = (typeof tasks)[number]

export interface MaintenanceStore {
  directory: string
  zips: Buffer[]
}

/** Builds a store of stock zips of random files, one pack each. */
export async function buildMaintenanceStore(seed: number): Promise<MaintenanceStore> {
  const directory = await mkdtemp(join(tmpdir(), 'trove-maintenance-'))
  const random = createRandom(seed)
  const zips = Array.from({ length: 5 }, (_, number) => {
    const members = Array.from({ length: 5 }, (__, index) => ({
      name: `file-${index}`,
      content: Buffer.alloc(
        200 + Math.floor(random() * 5000),
        digestOf(`${seed} ${number} ${index}`),
      ),
    }))
    return buildZip({ members })
  })
  await withStoreAt(directory, async (store) => {
    for (const [number, zip] of zips.entries())
      await upload(directory, store, `build-${number}`, zip)
  })
  return { directory, zips }
}

async function upload(directory: string, store: StoreAt, name: string, zip: Buffer): Promise<void> {
  const now = Date.now()
  const identity = { project: parseProjectName('acme/app'), number: 7, attempt: 1 }
  const run = await store.metadata.ensureRun(identity, noFacts, now)
  const ports = { ...store, settings: ingestSettings }
  // Not in the store, where it would be debris.
  const staging = await mkdtemp(`${directory}-staging-`)
  await ingestBody(ports, staging, jobOf(run, name, 'zip', now), zip)
  await rm(staging, { recursive: true })
}

/** Returns all steps of a complete run, in order. */
export async function stepsOf(store: MaintenanceStore, task: Task): Promise<string[]> {
  return await withPrepared(store, task, async (copy) => await runAndDieOn(copy, task, -1))
}

/** Kills a run at its nth step, opens the store again and checks it. Returns the name of the
 *  step. */
export async function killAt(store: MaintenanceStore, task: Task, nth: number): Promise<string> {
  return await withPrepared(store, task, async (copy) => {
    const steps = await runAndDieOn(copy, task, nth)
    expect(steps).toHaveLength(nth + 1)
    if (task === 'scrub') await checkScrub(copy, store.zips)
    else if (task === 'backup') await checkBackup(copy, store.zips)
    else await checkRebuild(copy)
    return steps.at(-1)!
  })
}

/** Runs `work` on a copy of the store, prepared for the task: damaged for scrub, without its
 *  database for rebuild. */
async function withPrepared<T>(
  { directory }: MaintenanceStore,
  task: Task,
  work: (copy: string) => Promise<T>,
): Promise<T> {
  return await withCopy(directory, async (copy) => {
    if (task === 'scrub') await damage(copy)
    if (task === 'rebuild') await rename(join(copy, 'trove.db'), `${copy}-lost.db`)
    return await work(copy)
  })
}

async function runAndDieOn(copy: string, task: Task, nth: number): Promise<string[]> {
  return await runAndDie(task, copy, nth, backupOf(copy))
}

/** Where a task puts the backup of a store. */
const backupOf = (directory: string): string => `${directory}-backup`

/** Damages a copy in the first pack and the framing of the second. */
async function damage(directory: string): Promise<void> {
  const [first, second] = await packPaths(join(directory, 'cas'))
  await withStoreAt(directory, async ({ metadata }) => {
    const [pack] = (
      await metadata.listPacks({ lease: 0, newest: Infinity, after: 0, limit: 100 })
    ).filter((each) => first!.includes(each.name))
    const [copy] = await metadata.readPackCopies(pack!.id, { after: null, limit: 1 })
    await flipByte(first!, copy!.offset + 3)
  })
  await flipByte(second!, (await stat(second!)).size - 3)
}

async function checkScrub(directory: string, zips: Buffer[]): Promise<void> {
  await withStoreAt(directory, async (store) => {
    await recoverAt(directory, store)
    expect(await scrubNow(store)).toMatchObject({ damagedArtifacts: 1, drifts: 0 })
    const damaged = await expectZips(store, zips)
    expect(damaged).toHaveLength(1)
    const artifact = (await store.metadata.findArtifact(damaged[0]!))!
    expect(await damagedPaths(store, artifact)).toHaveLength(1)

    await upload(directory, store, 'again', zips[damaged[0]! - 1]!)
    expect(await expectZips(store, zips)).toEqual([])
    await collectNow({ ...store, now: () => Date.now() + 2 * 60 * 60 * 1000 })
    expect(await expectZips(store, zips)).toEqual([])
    expect(await scrubNow(store)).toMatchObject({ damagedCopies: 0, drifts: 0 })
    expect((await store.metadata.figures()).storedBytes).toBe(await diskBytes(directory))
  })
  expect(leftovers(join(directory, 'trove.db'))).toEqual({})
}

/** Returns the ids of damaged artifacts, and checks that the others equal what was uploaded. */
async function expectZips(store: StoreAt, zips: Buffer[]): Promise<number[]> {
  const damaged: number[] = []
  for (const [index, zip] of zips.entries()) {
    const artifact = (await store.metadata.findArtifact(index + 1))!
    if (artifact.state === 'damaged') damaged.push(artifact.id)
    else expect(await readAll(await representZip(store, artifact))).toEqual(zip)
  }
  return damaged
}

async function checkBackup(directory: string, zips: Buffer[]): Promise<void> {
  const destination = backupOf(directory)
  await withStoreAt(directory, async (store) => {
    await recoverAt(directory, store)
    expect(await expectZips(store, zips)).toEqual([])
    const isThere = await stat(destination).then(
      () => true,
      () => false,
    )
    if (!isThere) await backUp(store, { destination, copies: true, files: [] })
    // The killed process's lease on what it read lasts an hour.
    await collectNow({ ...store, now: () => Date.now() + 2 * 60 * 60 * 1000 })
    expect((await store.metadata.figures()).storedBytes).toBe(await diskBytes(directory))
  })
  await withStoreAt(destination, async (backup) => {
    await recoverAt(destination, backup)
    expect(await expectZips(backup, zips)).toEqual([])
    expect(await scrubNow(backup)).toMatchObject({ damagedCopies: 0, drifts: 0 })
  })
  expect(leftovers(join(directory, 'trove.db'))).toEqual({})
}

async function checkRebuild(directory: string): Promise<void> {
  const packs = await packPaths(join(directory, 'cas'))
  await withStoreAt(directory, async (store) => {
    const rebuilt = await rebuildFromPacks(
      { ...store, settings: ingestSettings },
      { expiresAt: Date.now() + 86_400_000 },
    )
    expect(rebuilt).toMatchObject({ damagedCopies: 0, damagedPacks: 0 })
    expect(rebuilt.packs + rebuilt.knownPacks).toBe(packs.length)
    await recoverAt(directory, store)
    expect(await packPaths(join(directory, 'cas'))).toEqual(packs)
    expect(await scrubNow(store)).toMatchObject({
      packs: packs.length,
      damagedCopies: 0,
      drifts: 0,
    })
    const page = { limit: 100, offset: 0, sort: 'oldest', now: Date.now() } as const
    expect((await store.metadata.listArtifacts({}, page)).total).toBe(packs.length)
  })
  expect(leftovers(join(directory, 'trove.db'))).toEqual({})
}
