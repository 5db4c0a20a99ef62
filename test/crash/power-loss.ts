/** A store that can lose power at any moment. Uploads, deletes, undos, expiry, garbage collections
 *  and backups run over a file system and a database that track which of their data is durable.
 *  Again and again that durable state is opened as after a power loss. Then (invariants 1, 3 and
 *  5): acknowledged artifacts are intact, nothing else is visible, and there is no debris.
 *
 *  The durable state of the database is its log as of the last synced transaction. SQLite syncs a
 *  commit only under `synchronous = FULL`, and only when it changed something
 *  (sqlite.org/pragma.html#pragma_synchronous). */
import { readFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { hasCode } from '../../src/core/errors.ts'
import { parseProjectName, noFacts } from '../../src/core/run/run.ts'
import { representTarGz, representZip } from '../../src/egress/egress.ts'
import { backUp } from '../../src/lifecycle/backup/backup.ts'
import type { LifecyclePorts } from '../../src/lifecycle/ports.ts'
import type { Metadata, Run } from '../../src/metadata/metadata.ts'
import { openSqliteMetadata } from '../../src/metadata/sqlite/sqlite.ts'
import { openLocalPackStore } from '../../src/packs/local/local.ts'
import type { PackStore } from '../../src/packs/pack-store.ts'
import { buildZip } from '../corpus/build-zip.ts'
import { tarOf } from '../http/archives-of.ts'
import { ingestBody, ingestSettings, jobOf, readAll } from '../ingest/open-store.ts'
import { collectInBackground, collectNow, hour } from '../lifecycle/collection.ts'
import { diskBytes, leftovers } from '../lifecycle/leftovers.ts'
import { contentOf, createRandom } from '../lifecycle/random-world.ts'
import { closeStore, openStoreAt, recoverAt } from '../lifecycle/store-at.ts'
import {
  createForgetfulFileSystem,
  type ForgetfulFileSystem,
} from '../packs/forgetful-file-system.ts'

interface DurableDatabase {
  /** Called with every statement before it runs. */
  trace(sql: string): void
  /** Writes the durable state into `directory`. */
  loseTo(directory: string): Promise<void>
}

/** Tracks the database at `path`, which is open in a connection with this `trace`. */
function watchDatabase(path: string): DurableDatabase {
  let mode = ''
  let logBefore: Buffer | undefined
  let isCommitting = false
  let durable: { database: Buffer; log: Buffer } | undefined
  const readLog = (): Buffer => readFileSync(`${path}-wal`)
  /** Called after a commit, before the next statement runs. */
  const settle = (): void => {
    if (!isCommitting) return
    isCommitting = false
    const log = readLog()
    if (durable !== undefined && logBefore?.equals(log) === true) return
    durable = { database: readFileSync(path), log }
  }
  return {
    trace: (sql) => {
      settle()
      const [, level] = /^PRAGMA synchronous = (\w+)/.exec(sql) ?? []
      if (level !== undefined) mode = level
      if (mode !== 'FULL') return
      if (sql.startsWith('BEGIN')) logBefore = readLog()
      if (sql === 'COMMIT') isCommitting = true
    },
    loseTo: async (directory) => {
      settle()
      if (durable === undefined) throw new Error('nothing was ever committed')
      for (const suffix of ['', '-wal', '-shm'])
        await rm(join(directory, `trove.db${suffix}`), { force: true })
      await writeFile(join(directory, 'trove.db'), durable.database)
      await writeFile(join(directory, 'trove.db-wal'), durable.log)
    },
  }
}

interface Known {
  zip: string
  tarGz: string
}

/** What clients can rely on at a given moment. */
interface Promises {
  /** Acknowledged, and neither deleted nor expired. */
  kept: Map<number, Known>
  /** Being removed: may or may not be there. */
  doubtful: Set<number>
}

export interface PowerLosses {
  /** Number of power losses. */
  losses: number
  /** Number of losses by step. */
  steps: Map<string, number>
}

interface Site extends Promises {
  root: string
  data: string
  fileSystem: ForgetfulFileSystem
  database: DurableDatabase
  metadata: Metadata
  packs: PackStore
  run: Run
  ports: LifecyclePorts
  random: () => number
  clock: { now: number }
}

/** Frequent steps, at which power fails less often, so that the other steps get their share. */
const isFrequent =
  /^(?:session|pack-(?!claimed|removed|row)|blobs-registered|skeleton|manifest|commit|between|backup-pack-)/

/** Works until the power has failed at least `lossesMin` times. */
export async function runPowerLosses(seed: number, lossesMin: number): Promise<PowerLosses> {
  const random = createRandom(seed)
  const result: PowerLosses = { losses: 0, steps: new Map() }
  const lose = async (site: Site, step: string): Promise<void> => {
    if (random() >= (isFrequent.test(step) ? 0.08 : 0.6)) return
    for (const isMixed of [false, true]) await checkLoss(site, isMixed ? random : undefined)
    result.losses += 2
    result.steps.set(step, (result.steps.get(step) ?? 0) + 2)
  }
  const site = await openSite(random, lose)
  let at = 0
  try {
    for (at = 0; result.losses < lossesMin; at++) {
      await actOn(site, at)
      await lose(site, 'between')
    }
    return result
  } catch (error) {
    throw new Error(`seed ${seed}, action ${at}: ${String(error)}`, { cause: error })
  } finally {
    await site.packs.close()
    await site.metadata.close()
    await rm(site.root, { recursive: true, force: true })
  }
}

async function openSite(
  random: () => number,
  lose: (site: Site, step: string) => Promise<void>,
): Promise<Site> {
  const root = await mkdtemp(join(tmpdir(), 'trove-power-'))
  const fileSystem = createForgetfulFileSystem(root)
  const data = join(root, 'data')
  await fileSystem.mkdir(data)
  const top = await fileSystem.open(root, 'read')
  await top.sync()
  await top.close()
  const clock = { now: Date.UTC(2026, 0, 2) }
  const path = join(data, 'trove.db')
  const database = watchDatabase(path)
  const metadata = openSqliteMetadata({ path, now: () => clock.now, trace: database.trace })
  const site: Partial<Site> = {}
  const checkpoint = async (step: string): Promise<void> => await lose(site as Site, step)
  const packs = await openLocalPackStore({ directory: join(data, 'cas'), fileSystem, checkpoint })
  const run = await metadata.ensureRun(
    { project: parseProjectName('acme/app'), number: 7, attempt: 1 },
    noFacts,
    clock.now,
  )
  return Object.assign(site, {
    root,
    data,
    fileSystem,
    database,
    metadata,
    packs,
    run,
    ports: { metadata, packs, now: () => clock.now, checkpoint },
    random,
    clock,
    kept: new Map<number, Known>(),
    doubtful: new Set<number>(),
  })
}

async function actOn(site: Site, serial: number): Promise<void> {
  const { random, clock, ports } = site
  const draw = random()
  if (site.kept.size < 3 || draw < 0.45) await upload(site, serial)
  else if (draw < 0.65) await remove(site)
  else if (draw < 0.75) clock.now += hour
  else if (draw < 0.85) await collectInBackground(ports)
  else if (draw < 0.96) await collectNow(ports)
  else await keepBackup(site, serial)
}

async function upload(site: Site, serial: number): Promise<void> {
  const { random, run, clock, ports } = site
  const members = Array.from({ length: 1 + Math.floor(random() * 6) }, (_, index) => {
    const which = random() < 0.6 ? Math.floor(random() * 20) : 1000 + serial * 10 + index
    return { name: `f${index}`, content: contentOf(which) }
  })
  const form = random() < 0.5 ? 'zip' : 'tar'
  const body = form === 'zip' ? buildZip({ members }) : await tarOf(members)
  const job = jobOf(run, `artifact-${serial}`, form, clock.now)
  const ingestPorts = { ...ports, settings: ingestSettings }
  const { artifact } = await ingestBody(ingestPorts, site.root, job, body)
  site.kept.set(artifact.id, await digestsOf(site, artifact.id))
}

async function digestsOf(
  { metadata, packs }: { metadata: Metadata; packs: PackStore },
  id: number,
): Promise<Known> {
  const artifact = (await metadata.findArtifact(id))!
  const reader = { metadata, packs }
  return {
    zip: digestOf(await readAll(await representZip(reader, artifact))),
    tarGz: digestOf(await readAll(await representTarGz(reader, artifact))),
  }
}

/** Deletes an artifact, or moves its expiry to now. */
async function remove(site: Site): Promise<void> {
  const { kept, doubtful, metadata, random, clock } = site
  const id = [...kept.keys()][Math.floor(random() * kept.size)]!
  const digests = kept.get(id)!
  kept.delete(id)
  doubtful.add(id)
  if (random() < 0.3) {
    await metadata.setRetention(id, { expiresAt: clock.now })
  } else {
    const undoMs = random() < 0.5 ? hour : 0
    await metadata.removeArtifacts([id], {
      state: 'deleted',
      reason: 'deleted',
      now: clock.now,
      undoMs,
    })
    if (undoMs > 0 && random() < 0.5) {
      await metadata.restoreArtifact(id, clock.now)
      kept.set(id, digests)
    }
  }
  doubtful.delete(id)
}

/** Makes a backup and checks that it is as durable as the store once acknowledged. */
async function keepBackup(site: Site, serial: number): Promise<void> {
  const destination = join(site.root, `backup-${serial}`)
  const promised = new Map(site.kept)
  const copies = site.random() < 0.5
  await backUp(site.ports, {
    destination,
    copies,
    files: [],
    fileSystem: site.fileSystem,
  })
  const lost = await mkdtemp(join(tmpdir(), 'trove-power-lost-'))
  try {
    await site.fileSystem.loseTo(lost)
    await checkStore(join(lost, `backup-${serial}`), site, { kept: promised, doubtful: new Set() })
  } finally {
    await rm(lost, { recursive: true, force: true })
  }
}

async function checkLoss(site: Site, random: (() => number) | undefined): Promise<void> {
  const lost = await mkdtemp(join(tmpdir(), 'trove-power-lost-'))
  const data = join(lost, 'data')
  try {
    await site.fileSystem.loseTo(lost, random)
    await mkdir(data, { recursive: true })
    await site.database.loseTo(data)
    await checkStore(data, site, site)
  } finally {
    await rm(lost, { recursive: true, force: true })
  }
}

/** Opens `data` like a starting server and checks it. */
async function checkStore(
  data: string,
  { clock }: Pick<Site, 'clock'>,
  { kept, doubtful }: Promises,
): Promise<void> {
  const { metadata, packs } = await openStoreAt(data)
  const expectWhole = async (): Promise<void> => {
    const page = { limit: 200, offset: 0, sort: 'oldest', now: clock.now } as const
    const { artifacts } = await metadata.listArtifacts({}, page)
    const found = artifacts.map(({ id }) => id)
    expect(found).toEqual(expect.arrayContaining([...kept.keys()]))
    const isNew = (id: number): boolean => !kept.has(id) && !doubtful.has(id)
    // One upload may be committed but not yet acknowledged.
    expect(found.filter(isNew).length).toBeLessThanOrEqual(1)
    for (const { id, state } of artifacts) {
      expect(state).toBe('available')
      const digests = await digestsOf({ metadata, packs }, id)
      if (kept.has(id)) expect(digests).toEqual(kept.get(id))
    }
    expect((await metadata.figures()).storedBytes).toBe(await diskBytes(data))
  }
  try {
    await recoverAt(data, { metadata, packs, now: () => clock.now })
    await expectWhole()
    // By then the leases of readers that the power loss ended have expired.
    await collectNow({ metadata, packs, now: () => clock.now + 2 * hour })
    await expectWhole()
  } catch (error) {
    if (!hasCode(error, 'invalid_request')) throw error
    throw new Error(`the store does not start: ${error.message}`, { cause: error })
  } finally {
    await closeStore({ metadata, packs })
  }
  expect(leftovers(join(data, 'trove.db'))).toEqual({})
  expect(await readFile(join(data, 'cas', 'format'), 'latin1')).toBe('trove-cas 1\n')
}
