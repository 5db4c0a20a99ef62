/** The promises of garbage collection: announced bytes are freed, and the disk is as if the rest
 *  had never existed. */
import SqliteDatabase from 'better-sqlite3'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { limits } from '../../src/core/limits.ts'
import { representZip } from '../../src/egress/egress.ts'
import { type Collection, planCollection } from '../../src/lifecycle/collect/collect.ts'
import { measureDeletion } from '../../src/lifecycle/collect/deletion.ts'
import { sweepBlobs } from '../../src/lifecycle/collect/sweep.ts'
import type { Artifact, Metadata } from '../../src/metadata/metadata.ts'
import { pseudoRandom } from '../client/tree.ts'
import { buildZip } from '../corpus/build-zip.ts'
import { openSession, record } from '../ingest/negotiated/open-session.ts'
import { ingestBody, jobOf, openStore, readAll, type TestStore } from '../ingest/open-store.ts'
import { collectInBackground, collectNow, day, hour, planNow } from './collection.ts'
import { runDying } from './dying.ts'
import { recoverAt } from './store-at.ts'

const start = Date.UTC(2026, 0, 2)

/** A build of 30 small files and a large one, two thirds of which stay the same from one build
 *  to the next. */
function build(number: number): Buffer {
  const members = Array.from({ length: 30 }, (_, index) => ({
    name: `lib/${index}`,
    content: pseudoRandom(3000 + index * 500, index < 20 ? `stays ${index}` : `${number} ${index}`),
  }))
  members.push({
    name: 'main',
    content: Buffer.concat([pseudoRandom(300_000, 'common'), pseudoRandom(100_000, `${number}`)]),
  })
  return buildZip({ members })
}

async function upload(store: TestStore, numbers: number[]): Promise<Map<number, Artifact>> {
  const artifacts = new Map<number, Artifact>()
  for (const number of numbers) {
    const { artifact } = await store.put(`build-${number}`, 'zip', build(number))
    artifacts.set(number, artifact)
  }
  return artifacts
}

async function openOne(): Promise<{ store: TestStore; artifact: Artifact }> {
  const store = await openStore()
  return { store, artifact: (await upload(store, [1])).get(1)! }
}

async function remove(
  metadata: Metadata,
  artifact: Artifact,
  more: { now?: number; undoMs?: number } = {},
): Promise<number> {
  const announced = await measureDeletion(metadata, [artifact.id], start)
  const removal = { state: 'deleted', reason: 'deleted', now: start, ...more } as const
  expect(await metadata.removeArtifacts([artifact.id], removal)).toEqual([artifact.id])
  return announced
}

describe('ten builds, five deleted, gc --now', () => {
  test('frees what the deletes and the dry run announced, and leaves what five builds take', async () => {
    const store = await openStore()
    const artifacts = await upload(store, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    const kept = [0, 2, 4, 6, 8]
    let announced = 0
    for (const [number, artifact] of artifacts) {
      if (!kept.includes(number))
        announced += await remove(store.metadata, artifact, { undoMs: hour })
    }
    const before = await store.packBytes()
    const plan = await planNow(store.ports)
    const done = await collectNow(store.ports)
    const after = await store.packBytes()

    expect(done.deletedArtifacts).toBe(5)
    expect(before - after).toBe(done.freedBytes)
    expect(Math.abs(plan.freedBytes - done.freedBytes)).toBeLessThan(done.freedBytes / 100)
    expect(Math.abs(announced - done.freedBytes)).toBeLessThan(done.freedBytes / 100)

    const fresh = await openStore()
    await upload(fresh, kept)
    expect(after).toBeLessThan((await fresh.packBytes()) * 1.1)
    for (const number of kept) {
      const artifact = (await store.metadata.findArtifact(artifacts.get(number)!.id))!
      expect(await zipOf(store, artifact)).toBe(digestOf(build(number)))
    }
    const figures = await store.metadata.figures()
    expect(figures.storedBytes).toBe(after)
    expect(figures.liveBytes).toBeGreaterThan(after * 0.95)
  })
})

test.each(['before', 'after'])(
  'a compaction that fails %s its rows have moved loses nothing and leaves nothing behind',
  async (when) => {
    const store = await openStore()
    const artifacts = await upload(store, [1, 2])
    await remove(store.metadata, artifacts.get(1)!)
    const { metadata } = store
    const moveCopies: typeof metadata.moveCopies = async (...args) => {
      if (when === 'after') await metadata.moveCopies(...args)
      throw new Error('the disk is full')
    }
    const broken = { ...store.ports, metadata: { ...metadata, moveCopies } }
    await expect(collectNow(broken)).rejects.toThrow('full')
    expect(await zipOf(store, artifacts.get(2)!)).toBe(digestOf(build(2)))
    expect(await store.packBytes()).toBe((await metadata.figures()).storedBytes)
    await collectNow(store.ports)
    expect(await zipOf(store, artifacts.get(2)!)).toBe(digestOf(build(2)))
    expect(await store.packBytes()).toBe((await metadata.figures()).storedBytes)
  },
)

// Goal: a file that its disk or bucket does not delete does not prevent the deletion of others, nor
// a start; and the round reports it once everything else is done.
test('a dead pack that cannot be removed does not prevent the removal of others', async () => {
  const store = await openStore()
  const artifacts = await upload(store, [1, 2, 3])
  for (const artifact of artifacts.values()) await remove(store.metadata, artifact)
  let stuck: string | undefined
  const packs = {
    ...store.packs,
    remove: async (name: string): Promise<void> => {
      stuck ??= name
      if (name === stuck) throw new Error('operation not permitted')
      await store.packs.remove(name)
    },
  }
  const ports = { ...store.ports, packs }
  let last: object = {}
  const onProgress = (progress: object): void => {
    last = progress
  }
  await expect(collectNow(ports, { onProgress })).rejects.toThrow('not permitted')
  expect(last).toMatchObject({ removedPacks: 2, waitingPacks: [stuck] })
  await recoverAt(store.directory, ports)
  expect(await collectNow(store.ports)).toMatchObject({ removedPacks: 1, waitingBytes: 0 })
  expect(await store.packBytes()).toBe(0)
})

test('a dead pack makes room for rewriting others, which waits until there is room', async () => {
  const store = await openStore()
  await remove(store.metadata, (await upload(store, [1, 2])).get(1)!)
  const addDeadPack = async (): Promise<void> => {
    const { artifact } = await store.put('alone', 'file', pseudoRandom(100_000, 'alone'))
    await remove(store.metadata, artifact)
  }
  await addDeadPack()
  const waiting = await collectNow(store.ports, { hasRoom: async () => false })
  expect(waiting).toMatchObject({ rewrittenPacks: 0, removedPacks: 1 })
  expect(waiting.noRoomBytes).toBeGreaterThan(100_000)
  await addDeadPack()
  const before = await store.packBytes()
  const hasRoom = async (): Promise<boolean> => (await store.packBytes()) <= before - 100_000
  const done = await collectNow(store.ports, { hasRoom })
  expect(done).toMatchObject({ rewrittenPacks: 1, removedPacks: 2, noRoomBytes: 0 })
})

test('a lost pack does not end a round, and its contents are known to be damaged', async () => {
  const store = await openStore()
  const artifacts = await upload(store, [1, 2])
  await remove(store.metadata, artifacts.get(1)!)
  await sweepBlobs(store.ports)
  const [lost] = await store.metadata.listWastefulPacks('partlyDead', { after: 0, limit: 1 })
  await store.packs.remove(lost!.name)
  expect(await store.metadata.figures()).toMatchObject({ damagedArtifacts: 0 })
  await collectNow(store.ports)
  expect(await store.metadata.figures()).toMatchObject({ damagedArtifacts: 1 })
})

test('an expired artifact is gone, and so are its bytes, which count until then', async () => {
  const store = await openStore()
  const logicalBytes = (await upload(store, [1])).get(1)!.logicalBytes
  const later = { ...store.ports, now: () => start + 91 * day }
  const plan = await planNow(later)
  expect(plan).toMatchObject({ expired: 1, removedPacks: 1, rewrittenPacks: 0, waitingBytes: 0 })
  expect(await store.metadata.figures()).toMatchObject({ artifacts: 1, logicalBytes })
  const done = await collectNow(later)
  expect(done).toMatchObject({ expired: 1, freedBytes: plan.freedBytes, waitingBytes: 0 })
  expect(await store.metadata.figures()).toMatchObject({ artifacts: 0, logicalBytes: 0 })
  expect(await store.packBytes()).toBe(0)
})

test('a scheduled round leaves a deleted artifact its undo period, and a dead pack its grace period', async () => {
  const { store, artifact } = await openOne()
  await remove(store.metadata, artifact, { undoMs: hour })
  const at = (ms: number) => ({ ...store.ports, now: () => start + ms })

  const stays = { deletedArtifacts: 0, removedBlobs: 0, restorableBytes: artifact.logicalBytes }
  const plan = await planCollection(at(hour - 1), { reach: 'background' })
  expect(plan).toMatchObject(stays)
  expect(await collectInBackground(at(hour - 1))).toMatchObject(stays)
  await store.metadata.restoreArtifact(artifact.id, start + hour - 1)
  expect(await zipOf(store, artifact)).toBe(digestOf(build(1)))

  await remove(store.metadata, artifact, { undoMs: hour })
  const dead = await collectInBackground(at(hour))
  expect(dead).toMatchObject({ deletedArtifacts: 1, freedBytes: 0 })
  expect(dead.waitingBytes).toBe(await store.packBytes())
  expect(dead.waitingPacks).toHaveLength(1)
  const done = await collectInBackground(at(2 * hour))
  expect(done.freedBytes).toBe(dead.waitingBytes)
  expect(await store.packBytes()).toBe(0)
})

test('a dry run announces how many bytes of dead packs a scheduled round frees, and changes nothing', async () => {
  const store = await openStore()
  await remove(store.metadata, (await upload(store, [1])).get(1)!)
  await sweepBlobs(store.ports)
  const database = new SqliteDatabase(join(store.directory, 'trove.db'), { readonly: true })
  const version = (): unknown => database.pragma('data_version', { simple: true })
  for (const minutes of [0, 5, 15]) {
    const ports = { ...store.ports, now: () => start + minutes * 60_000 }
    const before = version()
    const plan = await planCollection(ports, { reach: 'background' })
    expect(version()).toBe(before)
    const { freedBytes, waitingBytes } = await collectInBackground(ports)
    expect(freedBytes > 0).toBe(minutes > limits.deadPackGraceMs / 60_000)
    expect(plan).toMatchObject({ freedBytes, waitingBytes })
  }
  database.close()
})

test('a dry run counts packs that were partly dead before', async () => {
  const store = await openStore()
  const artifacts = await upload(store, [1, 2])
  await remove(store.metadata, artifacts.get(1)!)
  await sweepBlobs(store.ports)
  const plan = await planNow(store.ports)
  const { freedBytes, rewrittenPacks } = await collectNow(store.ports)
  expect(plan.rewrittenPacks).toBe(rewrittenPacks)
  expect(freedBytes).toBeGreaterThan(100_000)
  expect(Math.abs(plan.freedBytes - freedBytes)).toBeLessThan(freedBytes / 100)
})

test('a pack that died before the clock was set back is removed at once when nothing needs to wait', async () => {
  const { store, artifact } = await openOne()
  await remove(store.metadata, artifact)
  await collectInBackground({ ...store.ports, now: () => start + 300 * day })
  expect(await store.metadata.figures()).toMatchObject({ packs: 1, liveBytes: 0 })
  const collection = await collectNow({ ...store.ports, now: () => start + day })
  expect(collection).toMatchObject({ removedPacks: 1, waitingBytes: 0 })
})

describe('a reader', () => {
  test('keeps the rows of its artifact and every pack that dies meanwhile', async () => {
    const store = await openStore()
    const artifacts = await upload(store, [1, 2])
    const [read, other] = [artifacts.get(1)!, artifacts.get(2)!]
    const { leases, gone } = await store.metadata.openReadLeases([read.id], start, hour)
    expect(gone).toEqual([])
    const chunks = (await representZip(store.reader, read))
      .read(0, read.zipBytes)
      [Symbol.asyncIterator]()
    const pieces = [(await chunks.next()).value as Buffer]
    await remove(store.metadata, read)
    await remove(store.metadata, other)

    const plan = await planNow(store.ports)
    const held = await collectNow(store.ports)
    expect([plan.deletedArtifacts, held.deletedArtifacts]).toEqual([0, 0])
    expect(held.waitingBytes).toBe(plan.waitingBytes)
    expect(held.waitingBytes).toBe(await store.packBytes())
    expect(held.waitingPacks).toHaveLength(2)
    for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) {
      pieces.push(next.value)
    }
    expect(digestOf(Buffer.concat(pieces))).toBe(digestOf(build(1)))

    await store.metadata.closeReadLeases(leases)
    expect((await planNow(store.ports)).deletedArtifacts).toBe(1)
    expect((await collectNow(store.ports)).deletedArtifacts).toBe(1)
    expect(await store.packBytes()).toBe(0)
  })

  // Each page of the skeleton is looked up when it is needed.
  test('of a long exact zip reads it to the end, though it is deleted meanwhile', async () => {
    const store = await openStore()
    const count = 2 * limits.skeletonPageMembers + 1
    const members = Array.from({ length: count }, (_, n) => ({
      name: `f${n}`,
      content: pseudoRandom(4000, `${n}`),
    }))
    const zip = buildZip({ members })
    const { artifact } = await store.put('stock', 'zip', zip)
    await store.metadata.openReadLeases([artifact.id], start, hour)
    const pieces: Buffer[] = []
    for await (const piece of (await representZip(store.reader, artifact)).read(0, zip.length)) {
      if (pieces.length === 0) await remove(store.metadata, artifact)
      await collectNow(store.ports)
      pieces.push(piece)
    }
    expect(Buffer.concat(pieces).equals(zip)).toBe(true)
  })

  test('that died holds nothing beyond the end of its lease', async () => {
    const { store, artifact } = await openOne()
    await store.metadata.openReadLeases([artifact.id], start, hour)
    await remove(store.metadata, artifact)
    await collectNow(store.ports)
    expect(await store.packBytes()).toBeGreaterThan(0)
    await collectNow({ ...store.ports, now: () => start + hour })
    expect(await store.packBytes()).toBe(0)
  })

  test('of a process that ended holds nothing after the next start', async () => {
    const { store, artifact } = await openOne()
    await store.metadata.openReadLeases([artifact.id], start, hour)
    await remove(store.metadata, artifact)
    expect(await recoverAt(store.directory, store.ports)).toMatchObject({ readLeases: 1 })
    expect(await collectNow(store.ports)).toMatchObject({ deletedArtifacts: 1, waitingBytes: 0 })
    expect(await store.packBytes()).toBe(0)
  })

  test('does not delay a start when rounds left more to sweep than a start should do', async () => {
    const store = await openStore()
    const metadata: Metadata = {
      ...store.metadata,
      // As after a round that was stopped on its way through millions of rows.
      clearRemoved: async () => true,
      claimDeadBlobs: async (_now, limit) => Array.from({ length: limit }, (_, id) => 1000 + id),
    }
    const { removedBlobs } = await recoverAt(store.directory, { ...store.ports, metadata })
    expect(removedBlobs).toBeGreaterThanOrEqual(limits.recoveryBlobsMax)
    expect(removedBlobs).toBeLessThan(2 * limits.recoveryBlobsMax)
  })

  test('of a process that ended keeps its lease until that ends by itself when the disk is full', async () => {
    const { store, artifact } = await openOne()
    await store.metadata.openReadLeases([artifact.id], start, hour)
    let tries = 0
    const metadata: Metadata = {
      ...store.metadata,
      // What it does when no row can be written or removed.
      closeReadLeases: async () => {
        tries += 1
        if (tries > 3) throw new Error('recovery goes on forever')
      },
    }
    const recovery = await recoverAt(store.directory, { ...store.ports, metadata })
    expect(recovery).toMatchObject({ readLeases: 0 })
    await remove(store.metadata, artifact)
    await collectNow(store.ports)
    expect(await store.packBytes()).toBeGreaterThan(0)
    await collectNow({ ...store.ports, now: () => start + hour })
    expect(await store.packBytes()).toBe(0)
  })

  test('of a removed artifact is refused', async () => {
    const { store, artifact } = await openOne()
    await remove(store.metadata, artifact, { undoMs: hour })
    expect(await store.metadata.openReadLeases([artifact.id, 99], start, hour)).toEqual({
      leases: [],
      gone: [artifact.id, 99],
    })
  })
})

describe('undo', () => {
  test('is refused when the name is taken, the undo period is over, or the artifact has expired meanwhile', async () => {
    const { store, artifact } = await openOne()
    await remove(store.metadata, artifact, { undoMs: 100 * day })
    const { artifact: second } = await store.put('build-1', 'zip', build(2))
    const restore = (ms: number) => store.metadata.restoreArtifact(artifact.id, start + ms)
    await expect(restore(1)).rejects.toMatchObject({ code: 'name_taken' })
    await remove(store.metadata, second)
    await expect(restore(100 * day)).rejects.toMatchObject({ code: 'artifact_expired' })
    await collectNow(store.ports)
    await expect(restore(1)).rejects.toMatchObject({ code: 'artifact_deleted' })
    await expect(store.metadata.restoreArtifact(99, start)).rejects.toMatchObject({
      code: 'artifact_not_found',
    })
  })

  test('restores the figures, too', async () => {
    const store = await openStore()
    const artifact = (await upload(store, [1, 2])).get(1)!
    const before = await store.metadata.figures()
    await remove(store.metadata, artifact, { undoMs: hour })
    await store.metadata.restoreArtifact(artifact.id, start)
    expect(await store.metadata.figures()).toEqual(before)
  })
})

test('tiny packs are merged, and reads begun before still succeed', async () => {
  const store = await openStore()
  const count = limits.tinyPacksMin
  const contents = Array.from({ length: count }, (_, index) => pseudoRandom(5000, `file ${index}`))
  const artifacts: Artifact[] = []
  for (const [index, content] of contents.entries()) {
    artifacts.push((await store.put(`file-${index}`, 'file', content)).artifact)
  }
  const before = await Promise.all(artifacts.map(async (each) => await zipOf(store, each)))
  const steps: Collection[] = []
  const done = await collectNow(store.ports, { onProgress: (step) => steps.push(step) })
  expect(done.rewrittenPacks).toBe(count)
  // What is rewritten is reported while that goes on, which can take hours.
  expect(steps.at(-2)).toMatchObject({ rewrittenPacks: count, removedPacks: 0 })
  expect((await store.metadata.figures()).packs).toBe(1)
  expect(await Promise.all(artifacts.map(async (each) => await zipOf(store, each)))).toEqual(before)
  expect(await collectNow(store.ports)).toMatchObject({ rewrittenPacks: 0, freedBytes: 0 })
})

test('packs of an upload in progress are left as they are, because they stay until it ends', async () => {
  const store = await openStore()
  const { ports, metadata } = store
  const session = await openSession(store, 'acme/app')
  const files: Record<string, Buffer> = {}
  for (let index = 0; index < 20; index++) {
    files[`file-${index}`] = pseudoRandom(5000, `file ${index}`)
    await session.step({ step: 'blobs' }, record(files[`file-${index}`]!))
  }
  const { storedBytes } = await metadata.figures()
  const planned = await planNow(ports)
  const untouched = { rewrittenPacks: 0, removedPacks: 0, freedBytes: 0, waitingBytes: 0 }
  expect(planned).toMatchObject(untouched)
  expect(await collectNow(ports)).toMatchObject(untouched)
  expect(await metadata.figures()).toMatchObject({ packs: 20, storedBytes })

  expect(await session.offer(files)).toEqual([])
  const { artifact } = await session.commit(files)
  expect(artifact.newBytes).toBe(storedBytes)
  expect(await collectNow(ports)).toMatchObject({ rewrittenPacks: 20, removedPacks: 20 })
  expect((await metadata.figures()).packs).toBe(1)
})

// Goal: what an upload leaves that nobody resumes returns once its lease has ended, and a dry run
// counts it. Method: uploads die at every step.
test('an upload that died holds nothing beyond the end of its lease', async () => {
  const store = await openStore()
  await upload(store, [1])
  // A file of build 2, whose stream in a zip is stored beside this one.
  await store.putTar('tar', { file: pseudoRandom(15_500, '2 25') })
  const { artifacts, storedBytes } = await store.metadata.figures()
  const later = { ...store.ports, now: () => start + limits.leaseMs }
  const job = jobOf(store.run, 'died', 'zip', start)
  let freedMost = 0
  for (let nth = 0; ; nth++) {
    await runDying({ ...store.ports, nth }, async (ports) => {
      await ingestBody({ ...store.ports, ...ports }, store.directory, job, build(2))
    })
    if ((await store.metadata.figures()).artifacts > artifacts) break
    expect(await collectNow(store.ports)).toMatchObject({ freedBytes: 0, removedBlobs: 0 })
    const plan = await planNow(later)
    const { freedBytes } = await collectNow(later)
    expect(Math.abs(plan.freedBytes - freedBytes)).toBeLessThanOrEqual(freedBytes / 100)
    expect(await store.metadata.figures()).toMatchObject({ storedBytes })
    freedMost = Math.max(freedMost, freedBytes)
  }
  expect(freedMost).toBeGreaterThan(100_000)
})

test('a dry run counts the tree that only an abandoned upload still uses', async () => {
  const store = await openStore()
  const { treeDigest, id } = (await upload(store, [1])).get(1)!
  const session = await openSession(store, 'acme/app')
  expect(await store.metadata.leaseKnownTree(session.id, treeDigest, start)).not.toBeUndefined()
  await store.metadata.removeArtifacts([id], { state: 'deleted', reason: 'deleted', now: start })
  expect((await collectNow(store.ports)).freedBytes).toBe(0)
  const later = { ...store.ports, now: () => start + limits.leaseMs }
  const plan = await planNow(later)
  expect(plan.freedBytes).toBe(await store.packBytes())
  expect((await collectNow(later)).freedBytes).toBe(plan.freedBytes)
})

async function zipOf(store: TestStore, artifact: Artifact): Promise<string> {
  return digestOf(await readAll(await representZip(store.reader, artifact)))
}

test('the database gives back the space of rows that are gone', async () => {
  const store = await openStore()
  const files = Array.from({ length: 500 }, (_, n) => [`${n}`, pseudoRandom(200, `${n}`)])
  const id = await store.putTar('many', Object.fromEntries(files))
  await remove(store.metadata, (await store.metadata.findArtifact(id))!)
  await collectNow(store.ports)
  const database = new SqliteDatabase(join(store.directory, 'trove.db'), { readonly: true })
  expect(database.pragma('freelist_count', { simple: true })).toBe(0)
  database.close()
})

test('tombstones are deleted after their time', async () => {
  const { store, artifact } = await openOne()
  await remove(store.metadata, artifact)
  await collectNow(store.ports)
  expect(await store.metadata.findArtifact(artifact.id)).toMatchObject({ state: 'deleted' })
  const later = { ...store.ports, now: () => start + 91 * day }
  // A clock that runs ahead makes nothing old.
  await collectNow(later, { believedNow: () => start })
  expect(await store.metadata.findArtifact(artifact.id)).toMatchObject({ state: 'deleted' })
  await collectNow(later)
  expect(await store.metadata.findArtifact(artifact.id)).toBeUndefined()
})
