/** What a start removes, what it keeps, and when it refuses to touch anything. Lost databases are
 *  in rebuild.test.ts. */
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { parseArtifactName } from '../../src/core/artifact.ts'
import { notFound } from '../../src/core/errors.ts'
import { limits } from '../../src/core/limits.ts'
import { openStaging } from '../../src/ingest/staging/staging.ts'
import { createDebrisRemoval } from '../../src/lifecycle/collect/debris.ts'
import { missingPacks } from '../../src/lifecycle/recovery/missing-packs.ts'
import { recover } from '../../src/lifecycle/recovery/recover.ts'
import type { Metadata } from '../../src/metadata/metadata.ts'
import { openLocalPackStore } from '../../src/packs/local/local.ts'
import type { PackStore } from '../../src/packs/pack-store.ts'
import { openStore, type TestStore } from '../ingest/open-store.ts'
import { watchFileSystem } from '../packs/watched-file-system.ts'
import { scrubNow } from './collection.ts'
import { packPaths } from './stored-bytes.ts'
import { recoverAt } from './store-at.ts'

/** Seals packs that are not registered, as a crash leaves them. */
async function sealUnregistered({ packs }: TestStore, count: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    const sink = await packs.create()
    await sink.write(Buffer.from('nobody will ever ask for this'))
    await sink.seal()
  }
}

const packsIn = async ({ directory }: TestStore): Promise<string[]> =>
  await packPaths(join(directory, 'cas'))

test('as many packs without a row as a crash can leave are removed, and those with a row stay', async () => {
  const store = await openStore()
  await store.putTar('kept', { 'a.txt': 'kept' })
  const kept = await packsIn(store)
  await sealUnregistered(store, limits.unknownPacksMax)
  expect(await recoverAt(store.directory, store.ports)).toMatchObject({
    unknownPacks: limits.unknownPacksMax,
  })
  expect(await packsIn(store)).toEqual(kept)
})

test('more packs without a row than a crash can leave stop the start, and nothing is deleted', async () => {
  const store = await openStore()
  await sealUnregistered(store, limits.unknownPacksMax + 1)
  const staged = await store.packs.create()
  const session = { projectId: store.run.projectId, now: store.ports.now(), leaseMs: 1 }
  const sessionId = await store.metadata.openSession(session)
  await expect(recoverAt(store.directory, store.ports)).rejects.toMatchObject({
    code: 'invalid_request',
  })
  expect(await packsIn(store)).toHaveLength(limits.unknownPacksMax + 1)
  expect(await readdir(join(store.directory, 'cas', 'staging', 'packs'))).toHaveLength(1)
  expect(await store.metadata.listSessions(Number.MAX_SAFE_INTEGER, 1, 0)).toEqual([sessionId])
  await staged.abort()
})

// A service that loses its answers, and then removes nothing, leaves a pack of each failed upload.
test('any number of packs without a row is removed that the process survived which left them', async () => {
  const store = await openStore()
  await store.putTar('kept', { 'a.txt': 'kept' })
  const kept = await packsIn(store)
  await sealUnregistered(store, limits.unknownPacksMax + 1)
  await store.metadata.noteBelievedTime(Date.now() + 1000)
  expect(await recoverAt(store.directory, store.ports)).toMatchObject({
    unknownPacks: limits.unknownPacksMax + 1,
  })
  expect(await packsIn(store)).toEqual(kept)
})

test('a pack without a row that cannot be removed is reported, and the start succeeds', async () => {
  const store = await openStore()
  await sealUnregistered(store, 1)
  const failure = new Error('not permitted')
  const packs = { ...store.packs, remove: async () => await Promise.reject(failure) }
  const stuck: Error[] = []
  const staging = await openStaging(join(store.directory, 'uploads'), { uploadBytesMax: 100 })
  const onStuck = (_pack: string, error: Error): void => {
    stuck.push(error)
  }
  const recovery = await recover({ ...store.ports, packs, staging, onStuck })
  expect(recovery).toMatchObject({ unknownPacks: 0 })
  expect(stuck).toEqual([failure])
})

test('of stock uploads those stay that may still be finished, with what was accepted of them', async () => {
  const store = await openStore()
  const { metadata, ports } = store
  const staging = await openStaging(join(store.directory, 'uploads'), { uploadBytesMax: 100 })
  const begin = async (id: string, now: number): Promise<void> => {
    const name = parseArtifactName(id)
    const defaults = { mimeType: null, requestedExpiresAt: null, takeoverMs: 0 } as const
    const upload = { id, runId: store.run.id, job: 'build', name, now, ...defaults }
    await metadata.createUpload({ ...upload, onConflict: 'reject' })
    await staging.openUpload(id)
  }
  const [accepted, open, stale, ghost] = ['a', 'b', 'c', 'd'].map((digit) => digit.repeat(32)) as [
    string,
    string,
    string,
    string,
  ]
  await begin(accepted, ports.now())
  await begin(open, ports.now())
  await begin(stale, ports.now() - limits.uploadLifeMs - 1)
  await staging.openUpload(ghost)
  const whole = await staging.writeWhole(accepted, Readable.from([Buffer.from('bytes')]))
  await metadata.assembleUpload(accepted, { ...whole, contentType: null })
  // Accepted on disk only: the crash came before the database knew.
  const lost = await staging.writeWhole(open, Readable.from([Buffer.from('bytes')]))

  const recovery = await recover({ ...ports, staging })
  expect(recovery).toMatchObject({ stagingDirectories: 2 })
  expect((await staging.listUploads()).toSorted()).toEqual([accepted, open])
  expect(await metadata.findUpload(stale)).toBeUndefined()
  await staging.readAssembled(accepted, whole.digest)
  await expect(staging.readAssembled(open, lost.digest)).rejects.toMatchObject({
    code: 'not_found',
  })
})

test('a lost pack does not stop the start, after a crash only once scrub has found it lost', async () => {
  const store = await openStore()
  await store.putTar('lost', { 'a.txt': 'lost' })
  for (const path of await packsIn(store)) await rm(path)
  expect(await recoverAt(store.directory, store.ports)).toMatchObject({ unknownPacks: 0 })
  await sealUnregistered(store, 1)
  // It may hold what was compacted since the database was copied.
  await expect(recoverAt(store.directory, store.ports)).rejects.toMatchObject({
    code: 'invalid_request',
  })
  expect(await scrubNow(store.ports)).toMatchObject({ damagedArtifacts: 1 })
  expect(await recoverAt(store.directory, store.ports)).toMatchObject({ unknownPacks: 1 })
})

test('a pack that a listing leaves out is missing only if it cannot be read either', async () => {
  const { metadata, packs, putTar } = await openStore()
  await putTar('tree', { 'a.txt': 'there' })
  async function* names(): AsyncGenerator<never> {}
  const missing = async (read: PackStore['read']): Promise<number> => {
    let count = 0
    for await (const _ of missingPacks({ metadata, packs: { names, read } })) count += 1
    return count
  }
  const fail = (error: Error) => async (): Promise<never> => {
    throw error
  }
  expect(await missing(packs.read)).toBe(0)
  expect(await missing(fail(notFound('pack', 'gone')))).toBe(1)
  await expect(missing(fail(new Error('unreachable')))).rejects.toThrow('unreachable')
})

// Goal: memory for a page of names, however many packs there are.
test('the packs that are missing are found in whatever order the others are listed', async () => {
  const { metadata, packs, put } = await openStore()
  for (let n = 0; n < 7; n++) await put(`a${n}`, 'file', Buffer.from(`content ${n}`))
  const all: string[] = []
  for await (const names of packs.names()) all.push(...names)
  expect(all).toHaveLength(7)
  const [lost, kept] = [
    [all[0]!, all[3]!, all[6]!],
    [all[1]!, all[2]!, all[4]!, all[5]!],
  ]
  for (const name of lost) await packs.remove(name)
  for (const order of [kept, kept.toReversed()]) {
    async function* names(): AsyncGenerator<string[]> {
      for (const name of order) yield [name]
    }
    const missing: string[] = []
    for await (const { name } of missingPacks({ metadata, packs: { names, read: packs.read } }))
      missing.push(name)
    expect(missing).toEqual(lost)
  }
})

// 200,000 packs made a start take half a minute, and each round as long.
test('a start and a round look at no file of a pack that has a row, and ask about many at once', async () => {
  const store = await openStore()
  for (let n = 0; n < 5; n++) await store.put(`a${n}`, 'file', Buffer.from(`content ${n}`))
  await sealUnregistered(store, 2)
  const directory = join(store.directory, 'cas')
  const fileSystem = watchFileSystem({ root: directory })
  const packs = await openLocalPackStore({ directory, fileSystem })
  const asked: number[] = []
  const metadata: Metadata = {
    ...store.metadata,
    hasPack: async () => await Promise.reject(new Error('asked about one')),
    unknownPacks: async (names) => {
      asked.push(names.length)
      return await store.metadata.unknownPacks(names)
    },
  }
  const looks = (): string[] => fileSystem.calls.filter((call) => /^stat packs.*zip$/.test(call))
  const ports = { ...store.ports, metadata, packs }
  expect(await createDebrisRemoval({ ...ports, now: () => 0 })()).toBe(0)
  expect(looks()).toHaveLength(2)
  expect(await recoverAt(store.directory, ports)).toMatchObject({ unknownPacks: 2 })
  expect(looks()).toHaveLength(4)
  expect(asked.reduce((sum, count) => sum + count, 0)).toBe(14)
})
