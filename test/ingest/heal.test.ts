/** Healing with another stream: when something else happens between finding it and healing, and
 *  when only some of what a blob is for is damaged. */
import { join } from 'node:path'
import { deflateRawSync } from 'node:zlib'
import { unzipSync } from 'fflate'
import { expect, test } from 'vitest'
import { representTarGz, representZip } from '../../src/egress/egress.ts'
import { limits } from '../../src/core/limits.ts'
import { healBlobs } from '../../src/ingest/heal.ts'
import { encodeJoiningSync } from '../../src/packs/codec/codec.ts'
import { collectNow, day, hour, scrubNow } from '../lifecycle/collection.ts'
import { leftovers } from '../lifecycle/leftovers.ts'
import { spoil } from '../lifecycle/stored-bytes.ts'
import {
  compositeOf,
  encoded,
  type Files,
  openSession,
  record,
  type Session,
} from './negotiated/open-session.ts'
import { openStore, readAll, type TestStore } from './open-store.ts'

const files = { 'a.txt': 'alpha '.repeat(500), 'b.txt': 'beta '.repeat(500) }

/** A tree whose file `b.txt` is damaged, and for which another stream has arrived that did not
 *  heal it. */
async function openHealable(): Promise<{ store: TestStore; id: number }> {
  const store = await openStore()
  const { metadata } = store
  const id = await store.putTar('tree', files)
  await damage(store, encodeJoiningSync(Buffer.from(files['b.txt']), 6))
  store.ports.metadata = { ...metadata, healBlob: async () => 'busy' }
  await expect(store.putZip('stock', files)).rejects.toMatchObject({ code: 'busy' })
  store.ports.metadata = metadata
  expect((await metadata.listHealings({ limit: 10 })).healings).toHaveLength(1)
  return { store, id }
}

test('a stream that turns bad after it was found heals nothing', async () => {
  const { store, id } = await openHealable()
  const { metadata } = store
  const healed = await healBlobs({
    ...metadata,
    healBlob: async (healing, measured) => {
      const [found] = await metadata.readStreams([healing.streamId!])
      await metadata.markDamaged(found!.copy)
      return await metadata.healBlob(healing, measured)
    },
  })
  expect(healed).toBe(0)
  expect(await versionOf(store, id)).toBe('damaged 1')
})

test('a stream that did not heal at once stays through garbage collection until scrub heals with it', async () => {
  const { store, id } = await openHealable()
  const later = { ...store.ports, now: () => store.ports.now() + day }
  await collectNow(later)
  expect(await versionOf(store, id)).toBe('damaged 1')
  expect(await scrubNow(later)).toMatchObject({ healedBlobs: 1 })
  expect(await versionOf(store, id)).toBe('available 2')
})

test('a stream that healed in place after it was found is not replaced', async () => {
  const { store, id } = await openHealable()
  const { metadata } = store
  const session = await openSession(store, 'acme/app')
  const healed = await healBlobs({
    ...metadata,
    healBlob: async (...measured) => {
      await session.step({ step: 'blobs' }, record(Buffer.from(files['b.txt'])))
      return await metadata.healBlob(...measured)
    },
  })
  expect(healed).toBe(0)
  expect(await versionOf(store, id)).toBe('available 1')
})

test('a file that an upload in progress has measured heals after that upload', async () => {
  const store = await openStore()
  store.ports.checkpoint = async (name) => {
    if (name !== 'commit-next') return
    delete store.ports.checkpoint
    await damage(store, encodeJoiningSync(Buffer.from(files['b.txt']), 6))
    await expect(store.putZip('stock', files)).rejects.toMatchObject({ code: 'busy' })
  }
  const id = await store.putTar('tree', files)
  expect(await versionOf(store, id)).toBe('damaged 1')
  expect(await healBlobs(store.metadata)).toBe(1)
  expect(await versionOf(store, id)).toBe('available 2')
  await readBoth(store, id)
})

test('the same by parts: meanwhile the upload that brings them fails', async () => {
  const store = await openMixed()
  const zipId = await store.putZip('zip', { large })
  store.ports.checkpoint = async (name) => {
    if (name !== 'commit-next') return
    delete store.ports.checkpoint
    await damage(store, deflateRawSync(large))
    await expect(putParts(store, parts)).rejects.toMatchObject({ code: 'busy' })
  }
  const id = await store.putTar('tree', { large })
  expect(await versionOf(store, id)).toBe('damaged 1')
  await putParts(store, parts)
  expect(await versionOf(store, zipId)).toBe('damaged 2')
  await expectHealed(store, id)
})

test('a part heals alone: a file with its content keeps its own stream', async () => {
  const store = await openMixed()
  await store.putZip('zip', { part: parts[0]! })
  const fileId = await putTree(store, { part: parts[0]! })
  const zip = await readBoth(store, fileId)
  const id = await putParts(store, parts)
  await damage(store, encodeJoiningSync(parts[0]!, 6))
  expect(await versionOf(store, id)).toBe('damaged 1')
  await putParts(store, parts, 1)
  await expectHealed(store, id)
  expect(await readBoth(store, fileId)).toEqual(zip)
})

test('a file in parts heals by one stream', async () => {
  const store = await openMixed()
  const id = await putParts(store, parts)
  await damage(store, encodeJoiningSync(parts[0]!, 6))
  expect(await versionOf(store, id)).toBe('damaged 1')
  await store.putZip('zip', { large })
  await expectHealed(store, id)
})

test('a file in parts heals by other parts', async () => {
  const store = await openMixed()
  const id = await putParts(store, parts)
  await damage(store, encodeJoiningSync(parts[0]!, 6))
  await putParts(store, [large.subarray(0, 100), large.subarray(100, 2500), large.subarray(2500)])
  await expectHealed(store, id)
})

/** Stores the large file as one stream, and damages that. Returns the zip that brought it, and a
 *  tree. */
async function openStream(): Promise<{ store: TestStore; zipId: number; id: number }> {
  const store = await openMixed()
  const zipId = await store.putZip('zip', { large })
  const id = await putTree(store, { large })
  await damage(store, deflateRawSync(large))
  expect(await versionOf(store, id)).toBe('damaged 1')
  return { store, zipId, id }
}

test('a file that is one stream heals by parts, and its zip only by that stream', async () => {
  const { store, zipId, id } = await openStream()
  await putParts(store, parts)
  await expectHealed(store, id)
  expect(await versionOf(store, zipId)).toBe('damaged 2')
  await store.putZip('again', { large })
  await expectHealed(store, zipId)
})

test('parts of which one heals after they were measured are measured again', async () => {
  const { store, id } = await openStream()
  const { metadata } = store
  const own = { ...store, ports: { ...store.ports } }
  let tries = 0
  store.ports.metadata = {
    ...metadata,
    healBlob: async (...measured) => {
      tries += 1
      if (tries === 1) {
        await damage(own, encodeJoiningSync(parts[0]!, 6))
        const session = await openSession(own, 'acme/app')
        await session.step({ step: 'blobs' }, record(parts[0]!, 'blob', 1))
        await metadata.abortSession(session.id)
      }
      return await metadata.healBlob(...measured)
    },
  }
  await putParts(store, parts)
  expect(tries).toBe(2)
  await expectHealed(store, id)
})

/** Their streams have another length at each level. */
const parts = [7919, 104_729].map((prime) =>
  Buffer.from(
    Array.from({ length: 500 }, (_, index) => ((index ** 3 * prime) >>> 3) % 31).join(' '),
  ),
)
const large = Buffer.concat(parts)

/** A store in which a blob and its stream have different ids. */
async function openMixed(): Promise<TestStore> {
  const store = await openStore()
  await store.putTar('mixed-tar', files)
  await store.putZip('mixed-zip', files)
  return store
}

/** Uploads the large file in parts, which are deflated at this level. */
async function putParts(store: TestStore, sent: Buffer[], level = 6): Promise<number> {
  const records = sent.map((part) => record(part, 'blob', level))
  return await putTree(store, { large }, async ({ step }) => {
    await step({ step: 'parts' }, encoded(compositeOf(sent)))
    await step({ step: 'blobs' }, Buffer.concat(records))
  })
}

/** Uploads files; `send` sends what the store lacks of them. */
async function putTree(
  store: TestStore,
  tree: Files,
  send?: (session: Session) => Promise<void>,
): Promise<number> {
  const session = await openSession(store, 'acme/app')
  session.target.expiresAt += 30 * day
  expect(await session.offer(tree)).toHaveLength(send === undefined ? 0 : 1)
  await send?.(session)
  return (await session.commit(tree)).artifact.id
}

async function damage(store: TestStore, stream: Buffer): Promise<void> {
  await spoil(join(store.directory, 'cas'), stream)
  await scrubNow({ ...store.ports, now: () => store.ports.now() + 1 })
}

async function versionOf({ metadata }: TestStore, id: number): Promise<string> {
  const { state, version } = (await metadata.findArtifact(id))!
  return `${state} ${version}`
}

/** Returns the zip of an artifact; it and the tar.gz are as long as announced. */
async function readBoth({ metadata, reader }: TestStore, id: number): Promise<Buffer> {
  const artifact = (await metadata.findArtifact(id))!
  const zip = await representZip(reader, artifact)
  const tarGz = await representTarGz(reader, artifact)
  expect((await readAll(tarGz)).length).toBe(tarGz.totalBytes)
  const bytes = await readAll(zip)
  expect(bytes.length).toBe(zip.totalBytes)
  return bytes
}

/** The artifact has a new version with its own lengths, and nothing of the old one is left. */
async function expectHealed(store: TestStore, id: number): Promise<void> {
  expect(await versionOf(store, id)).toBe('available 2')
  const zip = await readBoth(store, id)
  expect(Buffer.from(unzipSync(zip)['large']!).equals(large)).toBe(true)
  // Late enough that leases have ended.
  const later = {
    ...store.ports,
    metadata: store.metadata,
    now: () => store.ports.now() + limits.leaseMs + hour,
  }
  await collectNow(later)
  expect(leftovers(join(store.directory, 'trove.db'))).toEqual({})
  expect(await scrubNow(later)).toMatchObject({ drifts: 0 })
}
