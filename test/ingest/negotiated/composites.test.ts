/** Large files that a client offers by their parts. */
import { expect, test, vi } from 'vitest'
import { decodeOrdinals } from '../../../src/core/bytes/blob-exchange.ts'
import { openStore } from '../open-store.ts'
import { compositeOf, encoded, openSession, record } from './open-session.ts'

const texts = (...list: string[]): Buffer[] => list.map((text) => Buffer.from(text.repeat(50)))

test('files whose parts come in several lists are all assembled', async () => {
  const store = await openStore()
  const session = await openSession(store, 'mine/app')
  const lists = [texts('a', 'b'), texts('c', 'd'), texts('e', 'a')]
  const files = Object.fromEntries(lists.map((parts) => [String(parts[0]), Buffer.concat(parts)]))
  await session.offer(files)
  for (const parts of lists) await session.step({ step: 'parts' }, encoded(compositeOf(parts)))
  const sent = texts('a', 'b', 'c', 'd', 'e').map((part) => record(part))
  await session.step({ step: 'blobs' }, Buffer.concat(sent))
  expect(await session.commit(files)).toMatchObject({ created: true })
})

test('a tree that holds more than an artifact may is rejected with its manifest', async () => {
  const session = await openSession(await openStore({ artifactBytesMax: 1000 }), 'mine/app')
  expect(await session.offer({ most: Buffer.alloc(1000) })).toEqual([0])
  const more = session.offer({ more: Buffer.alloc(1001) })
  await expect(more).rejects.toMatchObject({ code: 'too_large' })
})

test('no more is assembled than an artifact may have, however short the lists are', async () => {
  const store = await openStore({ artifactBytesMax: 1000 })
  const session = await openSession(store, 'mine/app')
  const [part] = texts('a') as [Buffer]
  const files = { part }
  await session.offer(files)
  await session.step({ step: 'blobs' }, record(part))
  for (const count of [11, 10]) {
    const parts = Array.from({ length: count }, () => part)
    await session.step({ step: 'parts' }, encoded(compositeOf(parts)))
  }
  await expect(session.commit(files)).rejects.toMatchObject({ code: 'too_large' })
})

test('a file that is longer than announced is not assembled to its end', async () => {
  const store = await openStore()
  const session = await openSession(store, 'mine/app')
  const [part] = texts('a') as [Buffer]
  const files = { part }
  await session.offer(files)
  await session.step({ step: 'blobs' }, record(part))
  const parts = Array.from({ length: 10_000 }, () => part)
  await session.step({ step: 'parts' }, encoded(compositeOf(parts, { sizeBytes: 1 })))
  const lookUp = vi.spyOn(store.ports.metadata, 'readJoiningParts')
  await expect(session.commit(files)).rejects.toMatchObject({ code: 'digest_mismatch' })
  expect(lookUp).toHaveBeenCalledOnce()
})

test.each([{ crc32: 1 }, { sizeBytes: 99 }])(
  'a file announced with %o is rejected, and accepted as it is',
  async (wrong) => {
    const session = await openSession(await openStore(), 'mine/app')
    const parts = texts('a', 'b')
    const files = { large: Buffer.concat(parts) }
    await session.offer(files)
    await session.step({ step: 'parts' }, encoded(compositeOf(parts, wrong)))
    await session.step({ step: 'blobs' }, Buffer.concat(parts.map((part) => record(part))))
    await expect(session.commit(files)).rejects.toMatchObject({ code: 'digest_mismatch' })
    await session.step({ step: 'parts' }, encoded(compositeOf(parts)))
    expect(await session.commit(files)).toMatchObject({ created: true })
  },
)

test('a part is sent if the store has it only as a stream that cannot be continued', async () => {
  const store = await openStore()
  const parts = texts('in a zip', 'new')
  await store.putZip('zip', { file: parts[0]! })
  const session = await openSession(store, 'acme/app')
  const files = { large: Buffer.concat(parts) }
  await session.offer(files)
  const missing = await session.step({ step: 'parts' }, encoded(compositeOf(parts)))
  expect(decodeOrdinals(missing)).toEqual([0, 1])
  await session.step({ step: 'blobs' }, record(parts[1]!))
  await expect(session.commit(files)).rejects.toMatchObject({
    code: 'upload_incomplete',
    details: { missing: 1 },
  })
  await session.step({ step: 'blobs' }, record(parts[0]!))
  expect(await session.commit(files)).toMatchObject({ created: true })
})
