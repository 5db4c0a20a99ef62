/** How long a negotiated upload may refer to what the store has. */
import { expect, test } from 'vitest'
import { limits } from '../../../src/core/limits.ts'
import { openStore } from '../open-store.ts'
import { openSession, record } from './open-session.ts'

test('a session keeps its lease for as long as it is heard of, and while it commits', async () => {
  const store = await openStore()
  let now = Date.now()
  store.ports.now = () => now
  const session = await openSession(store, 'mine/app')
  const files = { small: Buffer.from('content') }
  const nearlyOverMs = limits.leaseMs * 0.9
  const expired = async (at: number): Promise<number> =>
    (await store.metadata.listSessions(at, 10, at)).length
  await session.offer(files)
  now += nearlyOverMs
  await session.step({ step: 'blobs' }, record(files.small))
  now += nearlyOverMs
  expect(await expired(now)).toBe(0)
  expect(await expired(now + nearlyOverMs)).toBe(1)
  const during: number[] = []
  store.ports.checkpoint = async (step) => {
    if (step === 'manifest-staged') during.push(await expired(now + nearlyOverMs))
  }
  Object.assign(session.target, { createdAt: now, expiresAt: now + 1_000_000 })
  await session.commit(files)
  expect(during).toEqual([0])
})
