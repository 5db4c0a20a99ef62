/** Uploads, downloads, deletes, undos, garbage collection, scrubs and backups whose calls to the
 *  metadata and the packs are interleaved in an order drawn from a seed, and the process dying
 *  anywhere between. After every call, whatever a live artifact, a session or an exact zip needs
 *  must be in a pack that exists. At the end every acknowledged artifact is what was uploaded, and
 *  nothing is left over. */
import SqliteDatabase, { type Database } from 'better-sqlite3'
import { mkdtemp, rm } from 'node:fs/promises'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { unzipSync } from 'fflate'
import { expect } from 'vitest'
import { type ArtifactName, parseArtifactName } from '../../src/core/artifact.ts'
import { decodeOrdinals, fileEndRecord } from '../../src/core/bytes/blob-exchange.ts'
import { type Digest, digestOf } from '../../src/core/bytes/digest.ts'
import { type ErrorCode, hasCode } from '../../src/core/errors.ts'
import { limits } from '../../src/core/limits.ts'
import { noFacts, parseProjectName } from '../../src/core/run/run.ts'
import { representTarGz, representZip } from '../../src/egress/egress.ts'
import { backUp } from '../../src/lifecycle/backup/backup.ts'
import type { Artifact, Metadata } from '../../src/metadata/metadata.ts'
import { openSqliteMetadata } from '../../src/metadata/sqlite/sqlite.ts'
import { openLocalPackStore } from '../../src/packs/local/local.ts'
import type { PackStore } from '../../src/packs/pack-store.ts'
import { buildZip } from '../corpus/build-zip.ts'
import { tarOf } from '../http/archives-of.ts'
import { compositeOf, encoded, openSession, record } from '../ingest/negotiated/open-session.ts'
import { ingestBody, ingestSettings, jobOf, readAll, type TestStore } from '../ingest/open-store.ts'
import { collectInBackground, collectNow, day, hour, scrubNow } from './collection.ts'
import { diskBytes, leftovers } from './leftovers.ts'
import { contentOf, createRandom } from './random-world.ts'
import { createScheduler } from './scheduler.ts'
import { testDirectory } from '../temporary-directory.ts'
import { closeStore, openStoreAt, recoverAt } from './store-at.ts'

/** What an acknowledged upload promised. */
interface Known {
  id: number
  files: Map<string, Digest>
  /** The zip as it was sent; null for other forms. */
  zip: Buffer | null
  expiresAt: number
  isGone: boolean
  /** An actor is removing or restoring it. */
  isBusy: boolean
}

interface Process {
  /** Connections as of the threads of a server: metadata, ingest, background. */
  main: Metadata
  ingest: Metadata
  background: Metadata
  packs: PackStore
}

const project = parseProjectName('acme/app')

export async function runInterleaving(seed: number, rounds: number): Promise<Map<string, number>> {
  const directory = testDirectory()
  let round = 0
  try {
    const world = await openWorld(directory, seed)
    for (round = 0; round < rounds; round++) await world.round()
    await world.finish()
    return world.counts
  } catch (error) {
    throw new Error(`interleaving, seed ${seed}, round ${round}: ${String(error)}`, {
      cause: error,
    })
  }
}

interface World {
  round(): Promise<void>
  finish(): Promise<void>
  counts: Map<string, number>
}

async function openWorld(directory: string, seed: number): Promise<World> {
  const random = createRandom(seed)
  const pick = (below: number): number => Math.floor(random() * below)
  const path = join(directory, 'trove.db')
  const known: Known[] = []
  const bodies = new Map<string, Digest>()
  const counts = new Map<string, number>()
  let now = Date.UTC(2026, 0, 2)
  let serial = 0
  let life = await start()
  const run = await life.main.ensureRun({ project, number: 1, attempt: 1 }, noFacts, now)
  const watch = openWatch(path, directory)

  async function start(): Promise<Process> {
    const open = (isCollector: boolean): Metadata =>
      openSqliteMetadata({ path, now: () => now, isCollector })
    const packs = await openLocalPackStore({ directory: join(directory, 'cas') })
    return { main: open(true), ingest: open(false), background: open(false), packs }
  }

  async function stop({ main, ingest, background, packs }: Process): Promise<void> {
    await packs.close()
    for (const each of [main, ingest, background]) await each.close()
  }

  async function restart(): Promise<void> {
    await stop(life)
    life = await start()
    await recoverAt(directory, { metadata: life.main, packs: life.packs, now: () => now })
  }

  function chosenFiles(): Map<string, Buffer> {
    const chosen = new Map<string, Buffer>()
    for (let count = 1 + pick(6); count > 0; count--) {
      const which = random() < 0.8 ? pick(12) : 1000 + serial++
      chosen.set(`dir-${which % 3}/file-${which}`, contentOf(which))
    }
    return chosen
  }

  const remember = (
    { id, expiresAt }: Artifact,
    files: Map<string, Buffer>,
    zip: Buffer | null,
  ) => {
    if (known.some((each) => each.id === id)) return
    const digests = new Map([...files].map(([name, content]) => [name, digestOf(content)]))
    known.push({ id, files: digests, zip, expiresAt, isGone: false, isBusy: false })
  }

  /** A few names are fought for; what an upload replaces is gone from its start. */
  function chosenName(): { name: ArtifactName; onConflict: 'replace' | 'reject' } {
    if (random() < 0.7) return { name: parseArtifactName(`own-${serial++}`), onConflict: 'reject' }
    const onConflict = random() < 0.5 ? 'replace' : 'reject'
    return { name: parseArtifactName(`shared-${pick(3)}`), onConflict }
  }

  async function upload({ ingest, packs }: Process): Promise<void> {
    const form = (['zip', 'tar', 'file'] as const)[pick(3)]!
    const files = chosenFiles()
    const members = [...files].map(([name, content]) => ({ name, content }))
    const [first] = members
    const body =
      form === 'zip'
        ? buildZip({ members })
        : form === 'tar'
          ? await tarOf(members)
          : first!.content
    const { name, onConflict } = chosenName()
    const isShared = name.startsWith('shared')
    const job = { ...jobOf(run, name, form, now), onConflict, expiresAt: now + (1 + pick(5)) * day }
    const scratch = await mkdtemp(join(directory, 'body-'))
    const ports = { metadata: ingest, packs, settings: ingestSettings, now: () => now }
    const { artifact } = await ingestBody(ports, scratch, job, body)
    if (isShared) return
    const stored = form === 'file' ? new Map([[name as string, first!.content]]) : files
    remember(artifact, stored, form === 'zip' ? body : null)
  }

  async function negotiate({ ingest, packs }: Process): Promise<void> {
    const files = chosenFiles()
    const ports = { metadata: ingest, packs, settings: ingestSettings, now: () => now }
    const session = await openSession({ metadata: ingest, ports } as TestStore, project)
    const tree = Object.fromEntries(files)
    const paths = Object.keys(tree).toSorted()
    for (const ordinal of await session.offer(tree)) {
      const content = tree[paths[ordinal]!]!
      if (content.length < limits.chunkThresholdBytes) {
        await session.step({ step: 'blobs' }, record(content))
        continue
      }
      const parts = [content.subarray(0, 100_000), content.subarray(100_000)]
      const missing = decodeOrdinals(
        await session.step({ step: 'parts' }, encoded(compositeOf(parts))),
      )
      if (missing.length === 0) continue
      const records =
        missing.length === 2
          ? [record(parts[0]!, 'firstPart'), record(parts[1]!), fileEndRecord]
          : [record(parts[missing[0]!]!)]
      await session.step({ step: 'blobs' }, Buffer.concat(records))
    }
    session.target.expiresAt = now + (1 + pick(5)) * day
    const { artifact } = await session.commit(tree)
    remember(artifact, files, null)
  }

  const oneOf = (those: (each: Known) => boolean): Known | undefined => {
    const found = known.filter((each) => !each.isBusy && those(each))
    return found[pick(found.length)]
  }
  const isEnded = (each: Known): boolean => each.isGone || each.expiresAt <= now

  async function download({ main, packs }: Process): Promise<void> {
    const each = oneOf((one) => !isEnded(one))
    if (each === undefined) return
    const { leases, gone } = await main.openReadLeases([each.id], now, hour)
    if (gone.length > 0) {
      expect(isEnded(each)).toBe(true)
      return
    }
    // A removed artifact is read to the end under its lease.
    const letGo = watch.hold(each.id)
    const artifact = (await main.findArtifact(each.id))!
    await expectWhole({ metadata: main, packs }, artifact, each)
    letGo()
    await main.closeReadLeases(leases)
  }

  async function expectWhole(
    reader: { metadata: Metadata; packs: PackStore },
    artifact: Artifact,
    { files, zip }: Known,
  ): Promise<void> {
    const representation = await representZip(reader, artifact)
    const body = await readAll(representation)
    if (zip !== null) expect(body.equals(zip)).toBe(true)
    expect(bodies.get(representation.etag) ?? digestOf(body)).toBe(digestOf(body))
    bodies.set(representation.etag, digestOf(body))
    const found = Object.entries(unzipSync(body))
    expect(new Map(found.map(([name, bytes]) => [name, digestOf(bytes)]))).toEqual(files)
    if (random() < 0.3) await readAll(await representTarGz(reader, artifact))
  }

  async function remove({ main }: Process): Promise<void> {
    const each = oneOf((one) => !isEnded(one))
    if (each === undefined) return
    Object.assign(each, { isGone: true, isBusy: true })
    const undoMs = random() < 0.7 ? hour : 0
    const removal = { state: 'deleted', reason: 'deleted', now, undoMs } as const
    expect(await main.removeArtifacts([each.id], removal)).toEqual([each.id])
    each.isBusy = false
  }

  async function undo({ main }: Process): Promise<void> {
    const each = oneOf(({ isGone }) => isGone)
    if (each === undefined) return
    each.isBusy = true
    try {
      await main.restoreArtifact(each.id, now)
      each.isGone = false
    } finally {
      each.isBusy = false
    }
  }

  async function collect({ main, packs }: Process): Promise<void> {
    const collectSome = random() < 0.7 ? collectNow : collectInBackground
    await collectSome({ metadata: main, packs, now: () => now })
  }

  async function scrubAll({ background, packs }: Process): Promise<void> {
    now += 1
    const report = await scrubNow({ metadata: background, packs, now: () => now })
    expect([report.damagedCopies, report.drifts, report.rewrittenPacks]).toEqual([0, 0, 0])
  }

  async function copy({ background, packs }: Process): Promise<void> {
    const before = known.filter((each) => !isEnded(each) && !each.isBusy)
    const destination = join(directory, `backup-${serial++}`)
    const ports = { metadata: background, packs, now: () => now }
    await backUp(ports, { destination, files: [], copies: random() < 0.3 })
    const reader = await openStoreAt(destination, () => now)
    for (const each of before) {
      const artifact = await reader.metadata.findArtifact(each.id)
      if (artifact?.state === 'available') await expectWhole(reader, artifact, each)
      else expect(isEnded(each)).toBe(true)
    }
    await closeStore(reader)
    await rm(destination, { recursive: true })
  }

  /** What an actor may be told in a store that others use. */
  const refusals: Record<string, ErrorCode[]> = {
    upload: ['name_taken'],
    undo: ['artifact_deleted', 'artifact_expired', 'artifact_not_found', 'name_taken'],
  }
  /** Rounds of maintenance never overlap, so each is one of a kind. */
  const maintenance = { collect, scrub: scrubAll, backup: copy }
  const others = { upload, negotiate, download, remove, undo }
  type Act = (process: Process) => Promise<void>

  function chosenActors(): [string, Act][] {
    const actors: [string, Act][] = []
    const add = (from: Record<string, Act>): void => {
      const entries = Object.entries(from)
      actors.push(entries[pick(entries.length)]!)
    }
    if (random() < 0.8) add(random() < 0.6 ? { collect } : maintenance)
    for (let count = 1 + pick(4); count > 0; count--)
      add(random() < 0.5 ? { upload, negotiate } : random() < 0.6 ? { download } : others)
    return actors
  }

  async function round(): Promise<void> {
    // Few artifacts stay, so that most contents are about to be deleted when they arrive again.
    const livesMax = pick(6)
    while (known.filter((each) => !isEnded(each)).length > livesMax) await remove(life)
    const scheduler = createScheduler(random)
    const guarded = Object.fromEntries(
      Object.entries(life).map(([name, port]) => [name, scheduler.guard(port as object)]),
    ) as unknown as Process
    let callsLeft = random() < 0.15 ? pick(120) : Infinity
    let hasDied = false
    const actors = chosenActors().map(([name, act]) => async () => {
      counts.set(name, (counts.get(name) ?? 0) + 1)
      try {
        await act(guarded)
      } catch (error) {
        if (!refusals[name]?.some((code) => hasCode(error, code))) throw error
      }
    })
    await scheduler.run(actors, () => {
      watch.check()
      if (--callsLeft > 0 || hasDied) return
      hasDied = true
      scheduler.kill()
    })
    for (const each of known) {
      // Whether the last call of an actor that died took effect is unknown.
      if (each.isBusy) Object.assign(each, { isGone: true, isBusy: false })
    }
    if (hasDied) {
      watch.forget()
      counts.set('die', (counts.get('die') ?? 0) + 1)
      await restart()
    }
    now += random() < 0.1 ? pick(3 * hour) : pick(1000)
    if (random() < 0.1) await checkAll()
  }

  async function checkAll(): Promise<void> {
    const reader = { metadata: life.main, packs: life.packs }
    for (const each of known) {
      if (isEnded(each)) continue
      const artifact = (await life.main.findArtifact(each.id))!
      expect(artifact.state).toBe('available')
      await expectWhole(reader, artifact, each)
    }
  }

  return {
    counts,
    round,
    finish: async () => {
      await restart()
      await checkAll()
      const ports = { metadata: life.main, packs: life.packs, now: () => now }
      await collectNow(ports)
      await checkAll()
      // Sessions of uploads that died end with their leases.
      now += 2 * limits.leaseMs
      await collectNow(ports)
      expect((await life.main.figures()).storedBytes).toBe(await diskBytes(directory))
      await stop(life)
      watch.close()
      expect(leftovers(path)).toEqual({})
    },
  }
}

interface Watch {
  check(): void
  /** The packs that hold an artifact now must exist until the returned function is called. */
  hold(artifactId: number): () => void
  /** The holders have died. */
  forget(): void
  close(): void
}

/** Checks that what is needed is there (invariants 1, 2 and 5), whoever is doing what. */
function openWatch(path: string, directory: string): Watch {
  const database: Database = new SqliteDatabase(path, { readonly: true })
  const packs = join(directory, 'cas', 'packs')
  const lost = database.prepare<[string], { holder: string; id: number }>(
    `WITH lost AS MATERIALIZED (
       SELECT s.id FROM streams s CROSS JOIN packs p ON p.id = s.pack_id
       WHERE p.name NOT IN (SELECT value FROM json_each(?))),
     unreadable AS MATERIALIZED (
       SELECT b.id FROM blobs b WHERE b.part_count = 0 AND (b.copy_stream_id IS NULL
         OR b.copy_stream_id NOT IN (SELECT id FROM streams) OR b.copy_stream_id IN lost)
       UNION SELECT c.composite_id FROM composite_parts c JOIN blobs q ON q.id = c.part_id
         WHERE q.joining_stream_id IS NULL
           OR q.joining_stream_id NOT IN (SELECT id FROM streams) OR q.joining_stream_id IN lost)
     SELECT 'artifact' AS holder, a.id FROM artifacts a
       JOIN "references" r ON r.manifest_id = a.manifest_id
       WHERE (a.removed_at IS NULL OR a.releasable_at IS NOT NULL)
         AND (r.blob_id IN unreadable OR r.blob_id NOT IN (SELECT id FROM blobs WHERE state < 2))
     UNION ALL SELECT 'exact zip', a.id FROM artifacts a
       JOIN skeleton_streams k ON k.content_id = a.content_id
       WHERE (a.removed_at IS NULL OR a.releasable_at IS NOT NULL)
         AND (k.stream_id IN lost OR k.stream_id NOT IN (SELECT id FROM streams))
     UNION ALL SELECT 'session', s.id FROM sessions s JOIN leases l ON l.session_id = s.id
       JOIN blobs b ON b.id = l.blob_id
       WHERE s.state = 0 AND b.state IN (0, 1) AND b.id IN unreadable`,
  )
  const packsOf = database.prepare<[number], { name: string }>(
    `SELECT DISTINCT p.name FROM artifacts a
       JOIN "references" r ON r.manifest_id = a.manifest_id
       LEFT JOIN composite_parts c ON c.composite_id = r.blob_id
       JOIN streams s ON s.blob_id = coalesce(c.part_id, r.blob_id)
       JOIN packs p ON p.id = s.pack_id WHERE a.id = ?`,
  )
  const held = new Set<string[]>()
  return {
    hold: (artifactId) => {
      const names = packsOf.all(artifactId).map(({ name }) => name)
      held.add(names)
      return () => held.delete(names)
    },
    check: () => {
      const names = readdirSync(packs, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => entry.name.replace(/\.zip$/u, ''))
      expect(lost.all(JSON.stringify(names))).toEqual([])
      expect(names).toEqual(expect.arrayContaining([...held].flat()))
    },
    forget: () => held.clear(),
    close: () => database.close(),
  }
}
