/** Packs that are sealed but cannot be registered: bytes that nothing can refer to are removed, and
 *  those known to the database stay. */
import { randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { removeDeadPacks, sweepBlobs } from '../../src/lifecycle/collect/sweep.ts'
import { packPaths } from '../lifecycle/stored-bytes.ts'
import { openStore } from './open-store.ts'
import { openSession, record } from './negotiated/open-session.ts'

// With 50 blobs the second batch is a full one, with 25 it is the remainder at the end.
test.each([50, 25])(
  'a session that is ended while it receives %i blobs leaves no pack behind',
  async (count) => {
    const store = await openStore()
    const { metadata } = store
    let batches = 0
    const ending: typeof metadata = {
      ...metadata,
      claimBlobs: async (sessionId, digests) => {
        batches += 1
        // The previous batch is in the pack by then.
        if (batches === 2) await metadata.abortSession(sessionId)
        return await metadata.claimBlobs(sessionId, digests)
      },
    }
    const ports = { ...store.ports, metadata: ending }
    const session = await openSession({ ...store, ports }, 'a/b')
    const blobs = Array.from({ length: count }, () => record(randomBytes(100_000)))
    await expect(session.step({ step: 'blobs' }, Buffer.concat(blobs))).rejects.toMatchObject({
      code: 'session_ended',
    })
    expect(batches).toBe(2)
    expect(await store.packBytes()).toBe(0)
    expect(await readdir(join(store.directory, 'cas', 'staging', 'packs'))).toEqual([])
  },
)

test('a pack that is partly registered stays until its rows are swept', async () => {
  const store = await openStore()
  const { metadata } = store
  const half: typeof metadata = {
    ...metadata,
    addPack: async (sessionId, pack, copies) => {
      await metadata.addPack(sessionId, pack, copies)
      throw new Error('the disk is full')
    },
  }
  const session = await openSession({ ...store, ports: { ...store.ports, metadata: half } }, 'a/b')
  const content = randomBytes(10_000)
  await expect(session.step({ step: 'blobs' }, record(content))).rejects.toThrow('full')
  expect(await packPaths(join(store.directory, 'cas'))).toHaveLength(1)
  expect(await session.offer({ content })).toEqual([])
  await metadata.abortSession(session.id)
  await sweepBlobs(store.ports)
  await removeDeadPacks(store.ports, 0)
  expect(await store.packBytes()).toBe(0)
})

test('bytes stay when the database cannot be queried', async () => {
  const store = await openStore()
  const fail = async (): Promise<never> => {
    throw new Error('the database is gone')
  }
  const metadata = { ...store.metadata, addPack: fail, hasPack: fail }
  const session = await openSession({ ...store, ports: { ...store.ports, metadata } }, 'a/b')
  const sent = session.step({ step: 'blobs' }, record(randomBytes(10_000)))
  await expect(sent).rejects.toThrow('gone')
  expect(await packPaths(join(store.directory, 'cas'))).toHaveLength(1)
})
