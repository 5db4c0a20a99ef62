/** A damaged store, and the checks after a scrub, a backup or a rebuild died at any step: intact
 *  data stays intact, damage is reported and heals, a backup is complete or absent, and there is no
 *  debris. */
import { execFile } from 'node:child_process'
import { cp, mkdtemp, rename, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { parseProjectName, noFacts } from '../../src/core/run/run.ts'
import { damagedPaths } from '../../src/egress/damage.ts'
import { representZip } from '../../src/egress/egress.ts'
import { openStaging } from '../../src/ingest/staging/staging.ts'
import { backUp } from '../../src/lifecycle/backup/backup.ts'
import type { LifecyclePorts } from '../../src/lifecycle/ports.ts'
import { rebuildFromPacks } from '../../src/lifecycle/recovery/rebuild.ts'
import { recover } from '../../src/lifecycle/recovery/recover.ts'
import { scrub } from '../../src/lifecycle/scrub/scrub.ts'
import type { Metadata } from '../../src/metadata/metadata.ts'
import { openSqliteMetadata } from '../../src/metadata/sqlite/sqlite.ts'
import { openLocalPackStore } from '../../src/packs/local/local.ts'
import type { PackStore } from '../../src/packs/pack-store.ts'
import { buildZip } from '../corpus/build-zip.ts'
import { ingestBody, ingestSettings, jobOf, readAll } from '../ingest/open-store.ts'
import { collectNow } from '../lifecycle/collection.ts'
import { diskBytes, leftovers } from '../lifecycle/leftovers.ts'
import { createRandom } from '../lifecycle/random-world.ts'
import { flipByte, packPaths } from '../lifecycle/stored-bytes.ts'

export const tasks = ['scrub', 'backup', 'rebuild'] as const
export type MaintenanceTask = (typeof tasks)[number]

const child = fileURLToPath(new URL('maintenance-child.mjs', import.meta.url))
const everything = { olderThanMs: null, bytesPerSecond: null, rollups: true } as const

export interface MaintenanceStore {
  directory: string
  zips: Buffer[]
}

interface Open extends LifecyclePorts {
  metadata: Metadata
  packs: PackStore
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
  await withOpen(directory, async (store) => {
    for (const [number, zip] of zips.entries())
      await upload(directory, store, `build-${number}`, zip)
  })
  return { directory, zips }
}

async function upload(
  directory: string,
  { metadata, packs }: Open,
  name: string,
  zip: Buffer,
): Promise<void> {
  const run = await metadata.ensureRun(
    { project: parseProjectName('acme/app'), number: 7, attempt: 1 },
    noFacts,
    Date.now(),
  )
  const ports = { metadata, packs, settings: ingestSettings, now: Date.now }
  await ingestBody(ports, directory, jobOf(run, name, 'zip', Date.now()), zip)
  await rm(join(directory, 'body'))
}

async function withOpen<T>(directory: string, work: (store: Open) => Promise<T>): Promise<T> {
  const metadata = openSqliteMetadata({ path: join(directory, 'trove.db') })
  const packs = await openLocalPackStore({ directory: join(directory, 'cas') })
  try {
    return await work({ metadata, packs, now: Date.now })
  } finally {
    await packs.close()
    await metadata.close()
  }
}

/** Returns all steps of a complete run, in order. */
export async function stepsOf(store: MaintenanceStore, task: MaintenanceTask): Promise<string[]> {
  return await withCopy(store, task, async (directory) => await runAndDie(task, directory, -1))
}

/** Kills a run at its nth step, opens the store again and checks it. Returns the name of the
 *  step. */
export async function killAt(
  store: MaintenanceStore,
  task: MaintenanceTask,
  nth: number,
): Promise<string> {
  return await withCopy(store, task, async (directory) => {
    const steps = await runAndDie(task, directory, nth)
    expect(steps).toHaveLength(nth + 1)
    if (task === 'scrub') await checkScrub(directory, store.zips)
    else if (task === 'backup') await checkBackup(directory, store.zips)
    else await checkRebuild(directory)
    return steps.at(-1)!
  })
}

/** Runs `work` on a copy of the store, prepared for the task: damaged for scrub, without its
 *  database for rebuild. */
async function withCopy<T>(
  { directory }: MaintenanceStore,
  task: MaintenanceTask,
  work: (copy: string) => Promise<T>,
): Promise<T> {
  const parent = await mkdtemp(join(tmpdir(), 'trove-maintenance-copy-'))
  const copy = join(parent, 'data')
  try {
    await cp(directory, copy, { recursive: true, preserveTimestamps: true })
    if (task === 'scrub') await damage(copy)
    if (task === 'rebuild') await rename(join(copy, 'trove.db'), join(parent, 'lost.db'))
    return await work(copy)
  } finally {
    await rm(parent, { recursive: true, force: true })
  }
}

/** Damages a copy in the first pack and the framing of the second. */
async function damage(directory: string): Promise<void> {
  const [first, second] = await packPaths(join(directory, 'cas'))
  await withOpen(directory, async ({ metadata }) => {
    const [pack] = (
      await metadata.listPacks({ lease: 0, newest: Infinity, after: 0, limit: 100 })
    ).filter((each) => first!.includes(each.name))
    const [copy] = await metadata.readPackCopies(pack!.id, { after: null, limit: 1 })
    await flipByte(first!, copy!.offset + 3)
  })
  await flipByte(second!, (await stat(second!)).size - 3)
}

async function runAndDie(task: MaintenanceTask, directory: string, nth: number): Promise<string[]> {
  const argv = [child, task, directory, String(nth), `${directory}-backup`]
  return await new Promise((resolve, reject) => {
    execFile(process.execPath, argv, (error, stdout, stderr) => {
      if (error !== null && error.signal !== 'SIGKILL') reject(new Error(stderr))
      else resolve(stdout.split('\n').filter((line) => line !== ''))
    })
  })
}

async function start(directory: string, { metadata, packs, now }: Open): Promise<void> {
  const staging = await openStaging(join(directory, 'cas', 'staging', 'uploads'), {
    uploadBytesMax: 1e9,
  })
  await recover({ metadata, packs, staging, now })
}

async function checkScrub(directory: string, zips: Buffer[]): Promise<void> {
  await withOpen(directory, async (store) => {
    await start(directory, store)
    expect(await scrub(store, everything)).toMatchObject({ damagedArtifacts: 1, drifts: 0 })
    const damaged = await expectZips(store, zips)
    expect(damaged).toHaveLength(1)
    const artifact = (await store.metadata.findArtifact(damaged[0]!))!
    expect(await damagedPaths(store, artifact)).toHaveLength(1)

    await upload(directory, store, 'again', zips[damaged[0]! - 1]!)
    expect(await expectZips(store, zips)).toEqual([])
    await collectNow({ ...store, now: () => Date.now() + 2 * 60 * 60 * 1000 })
    expect(await expectZips(store, zips)).toEqual([])
    expect(await scrub(store, everything)).toMatchObject({ damagedCopies: 0, drifts: 0 })
    expect((await store.metadata.figures()).storedBytes).toBe(await diskBytes(directory))
  })
  expect(leftovers(join(directory, 'trove.db'))).toEqual({})
}

/** Returns the ids of damaged artifacts, and checks that the others equal what was uploaded. */
async function expectZips(store: Open, zips: Buffer[]): Promise<number[]> {
  const damaged: number[] = []
  for (const [index, zip] of zips.entries()) {
    const artifact = (await store.metadata.findArtifact(index + 1))!
    if (artifact.state === 'damaged') damaged.push(artifact.id)
    else expect(await readAll(await representZip(store, artifact))).toEqual(zip)
  }
  return damaged
}

async function checkBackup(directory: string, zips: Buffer[]): Promise<void> {
  const destination = `${directory}-backup`
  await withOpen(directory, async (store) => {
    await start(directory, store)
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
  await withOpen(destination, async (backup) => {
    await start(destination, backup)
    expect(await expectZips(backup, zips)).toEqual([])
    expect(await scrub(backup, everything)).toMatchObject({ damagedCopies: 0, drifts: 0 })
  })
  expect(leftovers(join(directory, 'trove.db'))).toEqual({})
}

async function checkRebuild(directory: string): Promise<void> {
  const packs = await packPaths(join(directory, 'cas'))
  await withOpen(directory, async (store) => {
    const rebuilt = await rebuildFromPacks(
      { ...store, settings: ingestSettings },
      { expiresAt: Date.now() + 86_400_000 },
    )
    expect(rebuilt).toMatchObject({ damagedCopies: 0, damagedPacks: 0 })
    expect(rebuilt.packs + rebuilt.knownPacks).toBe(packs.length)
    await start(directory, store)
    expect(await packPaths(join(directory, 'cas'))).toEqual(packs)
    expect(await scrub(store, everything)).toMatchObject({
      packs: packs.length,
      damagedCopies: 0,
      drifts: 0,
    })
    const page = { limit: 100, offset: 0, sort: 'oldest', now: Date.now() } as const
    expect((await store.metadata.listArtifacts({}, page)).total).toBe(packs.length)
  })
  expect(leftovers(join(directory, 'trove.db'))).toEqual({})
}
