/** The number of large files pending registration is bounded, whatever an upload contains. */
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { fileEndRecord } from '../../src/core/bytes/blob-exchange.ts'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { limits } from '../../src/core/limits.ts'
import { receiveBlobs } from '../../src/ingest/negotiated/receive-blobs.ts'
import { findBlob } from '../metadata/find-blob.ts'
import { openSession, record } from './negotiated/open-session.ts'
import { openStore } from './open-store.ts'

const fileOf = (text: string): Buffer =>
  Buffer.concat([record(Buffer.from(text), 'firstPart'), record(Buffer.from('.')), fileEndRecord])

test('large files are registered while others of their request arrive', async () => {
  const store = await openStore()
  const session = await openSession(store, 'a/b')
  let registered = 0
  const metadata: typeof store.metadata = {
    ...store.metadata,
    addComposite: async (...args) => {
      registered += 1
      return await store.metadata.addComposite(...args)
    },
  }
  const count = limits.compositesWaitingMax
  const body = Readable.from(
    (async function* records() {
      // One more, because each record is read together with the head of the next.
      for (let index = 1; index <= count + 1; index++) yield fileOf(`${index}`)
      await expect.poll(() => registered, { timeout: 20_000 }).toBe(count)
      yield fileOf('last')
    })(),
    { objectMode: false },
  )
  const received = await receiveBlobs({ ...store.ports, metadata }, { sessionId: session.id }, body)
  expect(received.blobs).toBe(2 * count + 4)
  expect(registered).toBe(count + 2)
  const files = { first: Buffer.from('1.'), last: Buffer.from('last.') }
  expect(await session.offer(files)).toEqual([])
  expect(await findBlob(join(store.directory, 'trove.db'), digestOf('last.'))).toMatchObject({
    partCount: 2,
  })
})
