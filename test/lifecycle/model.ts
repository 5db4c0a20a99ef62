/** A store and a plain map that must agree. `runModel` makes random steps from a seed: uploads
 *  of every form (new, equal, sharing files), overwriting, deleting, undoing, keeping, time
 *  passing, reading under a lease, collecting, bytes going bad with the scrub that finds them
 *  and the uploads that heal them, and the process dying at any named step of an upload, a
 *  collection or a scrub. The history of ended artifacts is deleted after some days, and their
 *  runs with it. At the end nothing may be lost or left over. damage-model.ts covers damage that
 *  stays. */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { unzipSync } from 'fflate'
import { expect } from 'vitest'
import { type ArtifactName, parseArtifactName } from '../../src/core/artifact.ts'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { hasCode } from '../../src/core/errors.ts'
import { isExpired } from '../../src/core/policy/retention.ts'
import { parseProjectName, noFacts } from '../../src/core/run/run.ts'
import { representTarGz, representZip } from '../../src/egress/egress.ts'
import type { UploadForm } from '../../src/ingest/job.ts'
import type { IngestPorts } from '../../src/ingest/session.ts'
import { measureDeletion } from '../../src/lifecycle/collect/deletion.ts'
import { buildZip } from '../corpus/build-zip.ts'
import { tarOf } from '../http/archives-of.ts'
import { ingestBody, ingestSettings, jobOf, readAll } from '../ingest/open-store.ts'
import { collectInBackground, collectNow, day, hour, planNow, scrubNow } from './collection.ts'
import { type MortalPorts, runDying } from './dying.ts'
import { diskBytes, leftovers, unforgotten } from './leftovers.ts'
import { contentOf, createRandom } from './random-world.ts'
import { flipByte, packPaths } from './stored-bytes.ts'
import { testDirectory } from '../temporary-directory.ts'
import { closeStore, openStoreAt, recoverAt, type StoreAt } from './store-at.ts'

/** What the map knows about an artifact. */
interface Known {
  id: number
  name: ArtifactName
  form: UploadForm
  /** What was uploaded. */
  body: Buffer
  version: number
  zip: string
  tarGz: string
  /** Digests of the files in the zip, by path. */
  files: Record<string, string>
  expiresAt: number
  pinned: boolean
  keptLatest: false
  /** Until when a delete can be undone; null while it is live. */
  undoUntil: number | null
}

interface Open extends StoreAt {
  projectId: number
}

export interface Model {
  step(): Promise<void>
  /** Collects everything and compares what is stored with what is referenced. */
  finish(): Promise<void>
  /** How often each kind of step was made. */
  counts: Map<string, number>
}

export async function runModel(seed: number, steps: number): Promise<Map<string, number>> {
  const directory = testDirectory()
  const model = await openModel(directory, seed)
  let at = 0
  try {
    for (at = 0; at < steps; at++) await model.step()
    await model.finish()
    return model.counts
  } catch (error) {
    throw new Error(`model, seed ${seed}, step ${at}: ${String(error)}`, { cause: error })
  }
}

const historyMs = 5 * day
const project = parseProjectName('acme/app')

async function openModel(directory: string, seed: number): Promise<Model> {
  const random = createRandom(seed)
  const pick = (below: number): number => Math.floor(random() * below)
  const counts = new Map<string, number>()
  const known = new Map<number, Known>()
  let now = Date.UTC(2026, 0, 2)
  let store = await open()
  let serial = 0

  async function open(): Promise<Open> {
    const opened = await openStoreAt(directory, () => now)
    const { id: projectId } = await opened.metadata.ensureProject(project, now)
    return { ...opened, projectId }
  }

  async function reopen(): Promise<void> {
    await closeStore(store)
    store = await open()
    await recoverAt(directory, store)
  }

  const dying = async (
    nth: number,
    work: (ports: MortalPorts) => Promise<unknown>,
  ): Promise<boolean> => await runDying({ ...store, nth }, work)

  const live = (): Known[] =>
    [...known.values()].filter((each) => each.undoUntil === null && !isExpired(each, now))
  const oneOf = <T>(items: T[]): T | undefined => items[pick(items.length)]
  const holderOf = (name: string): Known | undefined => live().find((each) => each.name === name)

  /** Most files come from a small set, so that uploads share them. */
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
    return await tarOf(files())
  }

  async function upload(): Promise<void> {
    const form = (['zip', 'tar', 'file'] as const)[pick(3)]!
    const content = await body(form)
    const name = parseArtifactName(`artifact-${pick(40)}`)
    const holder = holderOf(name)
    const onConflict = holder !== undefined && random() < 0.5 ? 'replace' : 'reject'
    const expiresAt = now + (1 + pick(20)) * day
    let committed: { id: number } | undefined
    // Some uploads die on the way.
    const nth = random() < 0.1 ? pick(12) : Infinity
    const asked = { form, body: content, name, onConflict, expiresAt } as const
    try {
      const died = await dying(nth, async (ports) => {
        committed = await send(ports, asked)
      })
      if (died) await reopen()
    } catch (error) {
      const isRefused =
        onConflict === 'reject'
          ? holder !== undefined && hasCode(error, 'name_taken')
          : holder?.pinned === true && hasCode(error, 'forbidden')
      if (!isRefused) throw error
      return
    }
    // An upload that died after its commit exists all the same.
    const filter = { projectId: store.projectId, name }
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
    expect(holder?.pinned ?? false).toBe(false)
    if (holder !== undefined) known.delete(holder.id)
    const { zip, tarGz, files: inZip } = await read(found!.id)
    if (form === 'zip') expect(zip).toBe(digestOf(content))
    known.set(found!.id, {
      id: found!.id,
      name,
      form,
      body: content,
      version: found!.version,
      zip,
      tarGz,
      files: inZip,
      expiresAt,
      pinned: false,
      keptLatest: false,
      undoUntil: null,
    })
  }

  /** Uploads once; returns the artifact. */
  async function send(
    ports: Omit<IngestPorts, 'settings'>,
    asked: Pick<Known, 'form' | 'body' | 'name' | 'expiresAt'> & {
      onConflict: 'replace' | 'reject'
    },
  ): Promise<{ id: number }> {
    const { form, body: content, name, expiresAt, onConflict } = asked
    // Each name has its run, and some runs are used rarely enough to be deleted in between.
    const identity = { project, number: 1 + (Number(name.split('-')[1]) % 20), attempt: 1 }
    const run = await ports.metadata.ensureRun(identity, noFacts, now)
    const job = { ...jobOf(run, name, form, now), expiresAt, onConflict }
    const ingestPorts = { ...ports, settings: ingestSettings }
    return (await ingestBody(ingestPorts, directory, job, content)).artifact
  }

  /** Digests of the zip, of its files, and of the tar.gz. */
  async function read(id: number): Promise<Pick<Known, 'zip' | 'tarGz' | 'files'>> {
    const artifact = (await store.metadata.findArtifact(id))!
    const zip = await readAll(await representZip(store, artifact))
    const entries = Object.entries(unzipSync(zip)).map(([path, bytes]) => [
      path,
      digestOf(Buffer.from(bytes)),
    ])
    return {
      zip: digestOf(zip),
      tarGz: digestOf(await readAll(await representTarGz(store, artifact))),
      files: Object.fromEntries(entries) as Record<string, string>,
    }
  }

  async function check(each: Known | undefined): Promise<void> {
    if (each === undefined) return
    const artifact = (await store.metadata.findArtifact(each.id))!
    expect(artifact).toMatchObject({
      state: 'available',
      pinned: each.pinned,
      expiresAt: each.expiresAt,
    })
    const { zip, tarGz, files: inZip } = each
    expect(await read(each.id)).toEqual({ zip, tarGz, files: inZip })
  }

  /** Reads half of an artifact, or nothing yet, lets everything happen that could take it away,
   *  and reads the rest. */
  async function readSlowly(): Promise<void> {
    const each = oneOf(live())
    if (each === undefined) return
    const { leases, gone } = await store.metadata.openReadLeases([each.id], now, hour)
    expect(gone).toEqual([])
    const artifact = (await store.metadata.findArtifact(each.id))!
    const representation = await representZip(store, artifact)
    const chunks = representation.read(0, representation.totalBytes)[Symbol.asyncIterator]()
    const pieces: Buffer[] = []
    const first = random() < 0.5 ? await chunks.next() : undefined
    if (first !== undefined && first.done !== true) pieces.push(first.value)
    if (random() < 0.5) await remove(each)
    await collectNow(store)
    for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) {
      pieces.push(next.value)
    }
    expect(digestOf(Buffer.concat(pieces))).toBe(each.zip)
    await store.metadata.closeReadLeases(leases)
    forgetUndoable()
  }

  async function remove(each: Known): Promise<void> {
    const undoMs = random() < 0.7 ? hour : 0
    const removal = { state: 'deleted', reason: 'deleted', now, undoMs } as const
    await measureDeletion(store.metadata, [each.id], now)
    expect(await store.metadata.removeArtifacts([each.id], removal)).toEqual([each.id])
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
    if (random() < 0.6) {
      await collectInBackground(store, { historyMs })
      return
    }
    const plan = await planNow(store)
    const before = await diskBytes(directory)
    const done = await collectNow(store, { historyMs })
    const after = await diskBytes(directory)
    expect(before - after).toBe(done.freedBytes)
    // Merging tiny packs frees some framing that is not announced: of members that are then shared,
    // and of packs.
    const slack = 250 * (done.rewrittenPacks + 1) + done.freedBytes / 100
    expect(Math.abs(plan.freedBytes - done.freedBytes)).toBeLessThanOrEqual(slack)
    expect([plan.expired, plan.deletedArtifacts]).toEqual([done.expired, done.deletedArtifacts])
    forgetUndoable()
  }

  async function dieCollecting(): Promise<void> {
    const collectSome = random() < 0.5 ? collectNow : collectInBackground
    await dying(pick(30), (ports) => collectSome(ports, { historyMs }))
    // Artifacts released before the step died cannot be restored any more, which cannot be seen
    // from outside.
    for (const each of known.values()) if (each.undoUntil !== null) known.delete(each.id)
    await reopen()
  }

  async function scrubAll(): Promise<void> {
    // A pass must be later than the one before.
    now += 1
    const report = await scrubNow(store)
    expect(report.drifts).toBe(0)
  }

  /** Damages bytes, has a scrub that may die find it, and uploads the damaged artifacts again. */
  async function corrupt(): Promise<void> {
    // An artifact that can still be restored would come back damaged.
    await collectNow(store)
    forgetUndoable()
    for (let flips = 1 + pick(3); flips > 0; flips--) {
      const path = oneOf(await packPaths(join(directory, 'cas')))
      if (path === undefined) return
      await flipByte(path, pick((await stat(path)).size))
    }
    now += 1
    if (await dying(random() < 0.4 ? pick(15) : Infinity, (ports) => scrubNow(ports))) {
      await reopen()
      // Read leases of a process that died last until then.
      now += 2 * hour
    }
    await scrubAll()
    for (const each of live()) {
      const { state } = (await store.metadata.findArtifact(each.id))!
      if (state === 'available') continue
      expect(state).toBe('damaged')
      const name = parseArtifactName(`healer-${serial++}`)
      const expiresAt = now + day
      const { id } = await send(store, { ...each, name, expiresAt, onConflict: 'reject' })
      await store.metadata.removeArtifacts([id], { state: 'deleted', reason: 'healed', now })
    }
    for (const each of live()) await checkHealed(each)
  }

  /** Healed by another stream, an artifact has a new version: other archives, but the same
   *  files; an exact zip stays. */
  async function checkHealed(each: Known): Promise<void> {
    const { version } = (await store.metadata.findArtifact(each.id))!
    if (version === each.version) return await check(each)
    const found = await read(each.id)
    expect(found.files).toEqual(each.files)
    if (each.form === 'zip') expect(found.zip).toBe(each.zip)
    Object.assign(each, found, { version })
    await check(each)
  }

  /** `gc --now` does not wait for undo periods. */
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
    ['scrub', 1, scrubAll],
    ['corrupt', 2, corrupt],
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
      await collectNow(store)
      for (const each of live()) await check(each)
      const page = { limit: 200, offset: 0, sort: 'oldest', now } as const
      const { artifacts } = await store.metadata.listArtifacts({}, page)
      const expected = live()
        .map((each) => each.id)
        .sort((a, b) => a - b)
      expect(artifacts.map((each) => each.id)).toEqual(expected)
      const figures = await store.metadata.figures()
      expect(figures.storedBytes).toBe(await diskBytes(directory))
      // Finally everything is removed, and the store must be empty.
      await closeStore(store)
      expect(leftovers(join(directory, 'trove.db'))).toEqual({})
      store = await open()
      for (const each of live())
        await store.metadata.setRetention(each.id, { pinned: false, expiresAt: now })
      await collectNow({ ...store, now: () => now + 100 * day })
      expect(await diskBytes(directory)).toBe(0)
      const empty = await store.metadata.figures()
      expect(Object.values(empty).every((figure) => figure === 0)).toBe(true)
      await closeStore(store)
      // The history of the last artifacts is deleted, too.
      store = await open()
      await collectNow({ ...store, now: () => now + 200 * day })
      await closeStore(store)
      expect(unforgotten(join(directory, 'trove.db'))).toEqual({})
    },
  }
}
