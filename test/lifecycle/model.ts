/** A store and a plain map that must agree. `runModel` makes random steps from a seed: uploads of every form (new, equal,
 *  sharing files), overwriting, deleting, undoing, keeping, time passing, reading under a lease, collecting, and the
 *  process dying at any named step of an upload or a collection. At the end nothing may be lost and nothing left over. */
import SqliteDatabase from 'better-sqlite3'
import { createHash } from 'node:crypto'
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pack as createTar } from 'tar-stream'
import { expect } from 'vitest'
import { type ArtifactName, parseArtifactName } from '../../src/core/artifact.ts'
import { hasCode } from '../../src/core/errors.ts'
import { limits } from '../../src/core/limits.ts'
import { isExpired } from '../../src/core/retention.ts'
import { parseProjectName } from '../../src/core/run.ts'
import { representTarGz, representZip } from '../../src/egress/egress.ts'
import { ingest } from '../../src/ingest/ingest.ts'
import type { UploadForm } from '../../src/ingest/job.ts'
import { openStaging } from '../../src/ingest/staging.ts'
import { measureDeletion } from '../../src/lifecycle/deletion.ts'
import { recover } from '../../src/lifecycle/recover.ts'
import type { Metadata, Run } from '../../src/metadata/metadata.ts'
import { openSqliteMetadata } from '../../src/metadata/sqlite.ts'
import { openLocalPackStore } from '../../src/packs/local.ts'
import type { PackStore } from '../../src/packs/pack-store.ts'
import { buildZip } from '../corpus/build-zip.ts'
import { readAll } from '../ingest/open-store.ts'
import { collectInBackground, collectNow, day, hour, planNow } from './collection.ts'

/** What the map knows of an artifact. */
interface Known {
  id: number
  name: ArtifactName
  zip: string
  tarGz: string
  expiresAt: number
  pinned: boolean
  /** Until when a delete can be taken back; null while it is live. */
  undoUntil: number | null
}

interface Open {
  metadata: Metadata
  packs: PackStore
  run: Run
}

export interface Model {
  step(): Promise<void>
  /** Collects everything and compares what is stored with what is referenced. */
  finish(): Promise<void>
  /** How often each kind of step was made. */
  counts: Map<string, number>
}

/** Uniform in [0, 1); the same seed gives the same numbers. */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export async function runModel(seed: number, steps: number): Promise<Map<string, number>> {
  const directory = await mkdtemp(join(tmpdir(), 'trove-model-'))
  const model = await openModel(directory, seed)
  let at = 0
  try {
    for (at = 0; at < steps; at++) await model.step()
    await model.finish()
    return model.counts
  } catch (error) {
    throw new Error(`model, seed ${seed}, step ${at}: ${String(error)}`, { cause: error })
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** The process has died: every call of it that is still under way fails, and changes nothing more. */
class Died extends Error {}

async function openModel(directory: string, seed: number): Promise<Model> {
  const random = createRandom(seed)
  const pick = (below: number): number => Math.floor(random() * below)
  const counts = new Map<string, number>()
  const known = new Map<number, Known>()
  let now = Date.UTC(2026, 0, 2)
  let store = await open()
  let serial = 0

  async function open(): Promise<Open> {
    const metadata = openSqliteMetadata({ path: join(directory, 'trove.db'), now: () => now })
    const packs = await openLocalPackStore({ directory: join(directory, 'cas') })
    const identity = { project: parseProjectName('acme/app'), number: 7, attempt: 1 }
    const facts = { branch: null, sha: null, workflow: null, event: null }
    const run = await metadata.ensureRun(identity, facts, now)
    return { metadata, packs, run }
  }

  async function close(): Promise<void> {
    await store.packs.close()
    await store.metadata.close()
  }

  async function reopen(): Promise<void> {
    await close()
    store = await open()
    const root = join(directory, 'cas', 'staging', 'uploads')
    const staging = await openStaging(root, { uploadBytesMax: limits.artifactBytesMax })
    await recover({ ...store, staging, now: () => now })
  }

  /** Runs `work` with ports that die at the `nth` named step. Answers whether they did. */
  async function dying(
    nth: number,
    work: (ports: Open & { now(): number; checkpoint(name: string): void }) => Promise<unknown>,
  ): Promise<boolean> {
    let left = nth
    let dead = false
    const guard = <T extends object>(port: T): T =>
      new Proxy(port, {
        get: (target, name) => {
          const value: unknown = Reflect.get(target, name)
          if (typeof value !== 'function') return value
          return (...args: unknown[]): unknown => {
            if (dead) throw new Died()
            return Reflect.apply(value, target, args)
          }
        },
      })
    const checkpoint = (): void => {
      left -= 1
      if (left >= 0) return
      dead = true
      throw new Died()
    }
    const ports = { metadata: guard(store.metadata), packs: guard(store.packs), run: store.run }
    try {
      await work({ ...ports, now: () => now, checkpoint })
      return false
    } catch (error) {
      if (!dead) throw error
      return true
    }
  }

  const live = (): Known[] =>
    [...known.values()].filter((each) => each.undoUntil === null && !isExpired(each, now))
  const oneOf = <T>(items: T[]): T | undefined => items[pick(items.length)]
  const holderOf = (name: string): Known | undefined => live().find((each) => each.name === name)

  /** Most files are of a small set, so that uploads share them. */
  function files(): { name: string; content: Buffer }[] {
    const chosen = new Map<string, Buffer>()
    for (let count = 1 + pick(8); count > 0; count--) {
      const which = random() < 0.8 ? pick(25) : 1000 + serial++
      chosen.set(`dir-${which % 3}/file-${which}`, contentOf(which))
    }
    return [...chosen].map(([name, content]) => ({ name, content }))
  }

  async function body(form: UploadForm): Promise<Buffer> {
    if (form === 'file') return files()[0]!.content
    if (form === 'zip') return buildZip({ members: files() })
    const tar = createTar()
    for (const { name, content } of files()) tar.entry({ name, mtime: new Date(0) }, content)
    tar.finalize()
    const pieces: Buffer[] = []
    for await (const piece of tar) pieces.push(piece as Buffer)
    return Buffer.concat(pieces)
  }

  async function upload(): Promise<void> {
    const form = (['zip', 'tar', 'file'] as const)[pick(3)]!
    const content = await body(form)
    const name = parseArtifactName(`artifact-${pick(40)}`)
    const holder = holderOf(name)
    const onConflict = holder !== undefined && random() < 0.5 ? 'replace' : 'reject'
    const path = join(directory, 'body')
    await writeFile(path, content)
    const isStaged = form === 'zip'
    const expiresAt = now + (1 + pick(20)) * day
    let committed: { id: number } | undefined
    // A few die on the way.
    const nth = random() < 0.1 ? pick(12) : Infinity
    const job = {
      form,
      projectId: store.run.projectId,
      runId: store.run.id,
      job: 'build',
      name,
      mimeType: null,
      fileName: name,
      createdAt: now,
      expiresAt,
      onConflict,
      uploadId: null,
      expected: null,
      staged: isStaged ? { files: [{ path, sizeBytes: content.length }] } : null,
    } as const
    const settings = {
      artifactBytesMax: 2 ** 36,
      entriesMax: 1e6,
      compressionLevel: 6,
      stockZips: 'exact',
    } as const
    try {
      const died = await dying(nth, async (ports) => {
        const result = await ingest(
          { ...ports, settings },
          job,
          isStaged ? {} : { body: Readable.from([content]) },
        )
        committed = result.artifact
      })
      if (died) await reopen()
    } catch (error) {
      expect(hasCode(error, 'name_taken') && holder !== undefined && onConflict === 'reject').toBe(
        true,
      )
      return
    }
    // What died after its commit is there all the same.
    const filter = { projectId: store.run.projectId, name }
    const { artifacts } = await store.metadata.listArtifacts(filter, {
      limit: 1,
      offset: 0,
      sort: 'newest',
      now,
    })
    const found = artifacts[0]
    if (committed === undefined && (found === undefined || known.has(found.id))) return
    expect(found).toBeDefined()
    expect(committed === undefined || committed.id === found!.id).toBe(true)
    if (holder !== undefined) known.delete(holder.id)
    const [zip, tarGz] = await read(found!.id)
    if (isStaged) expect(zip).toBe(sha256(content))
    known.set(found!.id, {
      id: found!.id,
      name,
      zip,
      tarGz,
      expiresAt,
      pinned: false,
      undoUntil: null,
    })
  }

  /** Digests of the zip and the tar.gz. */
  async function read(id: number): Promise<[zip: string, tarGz: string]> {
    const artifact = (await store.metadata.findArtifact(id))!
    const zip = await readAll(await representZip(store, artifact))
    return [sha256(zip), sha256(await readAll(await representTarGz(store, artifact)))]
  }

  async function check(each: Known | undefined): Promise<void> {
    if (each === undefined) return
    const artifact = (await store.metadata.findArtifact(each.id))!
    expect(artifact).toMatchObject({
      state: 'available',
      pinned: each.pinned,
      expiresAt: each.expiresAt,
    })
    expect(await read(each.id)).toEqual([each.zip, each.tarGz])
  }

  /** Reads half of an artifact, lets everything else happen that could take it away, and reads the rest. */
  async function readSlowly(): Promise<void> {
    const each = oneOf(live())
    if (each === undefined) return
    const { leases, gone } = await store.metadata.openReadLeases([each.id], now, hour)
    expect(gone).toEqual([])
    const artifact = (await store.metadata.findArtifact(each.id))!
    const representation = await representZip(store, artifact)
    const chunks = representation.read(0, representation.totalBytes)[Symbol.asyncIterator]()
    const pieces: Buffer[] = []
    const first = await chunks.next()
    if (first.done !== true) pieces.push(first.value)
    if (random() < 0.5) await remove(each)
    await collectNow({ ...store, now: () => now })
    for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) {
      pieces.push(next.value)
    }
    expect(sha256(Buffer.concat(pieces))).toBe(each.zip)
    await store.metadata.closeReadLeases(leases)
    forgetUndoable()
  }

  async function remove(each: Known): Promise<void> {
    const undoMs = random() < 0.7 ? hour : 0
    const removal = { state: 'deleted', reason: 'deleted', now, undoMs } as const
    await measureDeletion(store.metadata, [each.id], now)
    expect(await store.metadata.removeArtifact(each.id, removal)).toBe(true)
    each.undoUntil = now + undoMs
    if (undoMs === 0) known.delete(each.id)
  }

  async function undo(): Promise<void> {
    const each = oneOf([...known.values()].filter((one) => one.undoUntil !== null))
    if (each === undefined) return
    const isTaken = holderOf(each.name) !== undefined
    try {
      await store.metadata.restoreArtifact(each.id, now)
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined
      if (isExpired(each, now)) expect(code).toBe('artifact_expired')
      else if (now >= each.undoUntil!) expect(code).toBe('artifact_deleted')
      else expect([code, isTaken]).toEqual(['name_taken', true])
      return
    }
    expect(isTaken || isExpired(each, now) || now >= each.undoUntil!).toBe(false)
    each.undoUntil = null
    await check(each)
  }

  async function retain(): Promise<void> {
    const each = oneOf(live())
    if (each === undefined) return
    each.pinned = random() < 0.3
    each.expiresAt = now + (1 + pick(20)) * day
    const { expiresAt, pinned } = each
    await store.metadata.setRetention(each.id, { expiresAt, pinned })
  }

  async function collectAll(): Promise<void> {
    const ports = { ...store, now: () => now }
    if (random() < 0.6) {
      await collectInBackground(ports)
      return
    }
    const plan = await planNow(ports)
    const before = await diskBytes(directory)
    const done = await collectNow(ports)
    const after = await diskBytes(directory)
    expect(before - after).toBe(done.freedBytes)
    // Merging tiny packs gives back some framing that is not announced.
    const slack = 25 * (done.rewrittenPacks + 1) + done.freedBytes / 100
    expect(Math.abs(plan.freedBytes - done.freedBytes)).toBeLessThanOrEqual(slack)
    expect([plan.expired, plan.deletedArtifacts]).toEqual([done.expired, done.deletedArtifacts])
    forgetUndoable()
  }

  async function dieCollecting(): Promise<void> {
    const collectSome = random() < 0.5 ? collectNow : collectInBackground
    await dying(pick(30), collectSome)
    // What let go before the end cannot be undone any more; nobody can tell from outside.
    for (const each of known.values()) if (each.undoUntil !== null) known.delete(each.id)
    await reopen()
  }

  /** `gc --now` waits for no undo. */
  function forgetUndoable(): void {
    for (const each of known.values()) if (each.undoUntil !== null) known.delete(each.id)
  }

  const actions: [name: string, weight: number, act: () => Promise<void>][] = [
    ['upload', 40, upload],
    ['check', 15, async () => await check(oneOf(live()))],
    [
      'delete',
      12,
      async () => {
        const each = oneOf(live())
        if (each !== undefined) await remove(each)
      },
    ],
    ['undo', 6, undo],
    ['retain', 4, retain],
    [
      'time',
      8,
      async () => {
        now += random() < 0.5 ? pick(hour) : pick(2 * day)
      },
    ],
    ['collect', 8, collectAll],
    ['read', 3, readSlowly],
    ['die', 2, dieCollecting],
    ['reopen', 2, reopen],
  ]
  const total = actions.reduce((sum, [, weight]) => sum + weight, 0)

  return {
    counts,
    step: async () => {
      let left = random() * total
      const [name, , act] = actions.find(([, weight]) => (left -= weight) < 0)!
      counts.set(name, (counts.get(name) ?? 0) + 1)
      await act()
    },
    finish: async () => {
      await reopen()
      for (const each of live()) await check(each)
      await collectNow({ ...store, now: () => now })
      for (const each of live()) await check(each)
      const page = { limit: 200, offset: 0, sort: 'oldest', now } as const
      const { artifacts } = await store.metadata.listArtifacts({}, page)
      const expected = live()
        .map((each) => each.id)
        .sort((a, b) => a - b)
      expect(artifacts.map((each) => each.id)).toEqual(expected)
      const figures = await store.metadata.figures()
      expect(figures.storedBytes).toBe(await diskBytes(directory))
      // The end of everything is an empty store.
      await close()
      expect(leftovers(join(directory, 'trove.db'))).toEqual({})
      store = await open()
      for (const each of live())
        await store.metadata.setRetention(each.id, { pinned: false, expiresAt: now })
      await collectNow({ ...store, now: () => now + 100 * day })
      expect(await diskBytes(directory)).toBe(0)
      const empty = await store.metadata.figures()
      expect(Object.values(empty).every((figure) => figure === 0)).toBe(true)
      await close()
    },
  }
}

/** Rows that nothing needs, by what they are; none in a store that was collected. */
export function leftovers(path: string): Record<string, number> {
  const database = new SqliteDatabase(path, { readonly: true })
  const queries: Record<string, string> = {
    'blobs without a holder': `SELECT count(*) AS n FROM blobs b
      WHERE NOT EXISTS (SELECT 1 FROM "references" r WHERE r.blob_id = b.id)
        AND NOT EXISTS (SELECT 1 FROM composite_parts c WHERE c.part_id = b.id)
        AND NOT EXISTS (SELECT 1 FROM streams s JOIN skeleton_streams k ON k.stream_id = s.id WHERE s.blob_id = b.id)`,
    'blobs without a copy': `SELECT count(*) AS n FROM blobs b WHERE b.part_count = 0
      AND NOT EXISTS (SELECT 1 FROM streams s WHERE s.id = b.copy_stream_id)`,
    'streams that serve nothing': `SELECT count(*) AS n FROM streams s JOIN blobs b ON b.id = s.blob_id
      WHERE s.id IS NOT b.copy_stream_id
        AND (s.id IS NOT b.joining_stream_id
          OR NOT EXISTS (SELECT 1 FROM composite_parts c WHERE c.part_id = b.id))
        AND NOT EXISTS (SELECT 1 FROM skeleton_streams k WHERE k.stream_id = s.id)`,
    'references of nobody': `SELECT count(*) AS n FROM "references" r
      WHERE NOT EXISTS (SELECT 1 FROM artifacts a WHERE a.manifest_id = r.manifest_id AND a.removed_at IS NULL)`,
    'skeletons of nobody': `SELECT count(*) AS n FROM skeleton_streams k
      WHERE NOT EXISTS (SELECT 1 FROM artifacts a WHERE a.content_id = k.content_id AND a.removed_at IS NULL)`,
    'packs without a copy': `SELECT count(*) AS n FROM packs p
      WHERE NOT EXISTS (SELECT 1 FROM streams s WHERE s.pack_id = p.id)`,
    'wrong counts of packs': `SELECT count(*) AS n FROM packs p
      WHERE p.live_count <> (SELECT count(*) FROM streams s WHERE s.pack_id = p.id)
         OR p.live_bytes <> (SELECT coalesce(sum(s.length_bytes), 0) FROM streams s WHERE s.pack_id = p.id)`,
    'candidates of sweep': 'SELECT count(*) AS n FROM touched_blobs',
    sessions: 'SELECT count(*) AS n FROM sessions',
    leases: 'SELECT count(*) AS n FROM leases',
  }
  const found = Object.entries(queries).map(([what, sql]): [string, number] => [
    what,
    (database.prepare(sql).get() as { n: number }).n,
  ])
  database.close()
  return Object.fromEntries(found.filter(([, count]) => count > 0))
}

export async function diskBytes(directory: string): Promise<number> {
  let sum = 0
  const packs = join(directory, 'cas', 'packs')
  for (const entry of await readdir(packs, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) sum += (await stat(join(entry.parentPath, entry.name))).size
  }
  return sum
}

/** File `which` of the world: most small, a few cut by content, some compressible. */
function contentOf(which: number): Buffer {
  const sizes = [0, 10, 700, 4000, 30_000, which % 7 === 0 ? 400_000 : 9000]
  const bytes = sizes[which % sizes.length]!
  const pieces: Buffer[] = []
  for (let at = 0; at < bytes; at += 64) {
    const seed = which % 2 === 0 ? `${which} ${at}` : `${which} ${at % 1024}`
    pieces.push(createHash('sha512').update(seed).digest())
  }
  return Buffer.concat(pieces).subarray(0, bytes)
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}
