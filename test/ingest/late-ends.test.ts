/** Sessions that could not be ended with their upload. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createLateEnds, type LateEnds } from '../../src/ingest/pool/late-ends.ts'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
})
afterEach(() => {
  vi.useRealTimers()
})

const full = new Error('the disk is full')

/** Ends sessions on a disk that takes no writes while it is full. */
function openEnds(): { ends: LateEnds; ended: string[]; disk: { isFull: boolean } } {
  const ended: string[] = []
  const disk = { isFull: true }
  const ends = createLateEnds(async (session) => {
    if (disk.isFull) throw full
    ended.push(session)
  })
  return { ends, ended, disk }
}

test('those that cannot be ended are ended once each, as soon as the disk takes writes', async () => {
  const { ends, ended, disk } = openEnds()
  for (const session of ['a', 'b']) await expect(ends.end(session)).rejects.toBe(full)
  await vi.advanceTimersByTimeAsync(120_000)
  disk.isFull = false
  await ends.end('c')
  expect(ended).toEqual(['c'])
  await vi.advanceTimersByTimeAsync(30_000)
  expect(ended).toEqual(['c', 'a', 'b'])
  expect(vi.getTimerCount()).toBe(0)
  disk.isFull = true
  await expect(ends.end('d')).rejects.toBe(full)
  disk.isFull = false
  await vi.advanceTimersByTimeAsync(30_000)
  expect(ended).toEqual(['c', 'a', 'b', 'd'])
})

test('none is ended after the close, since a start of the server does that', async () => {
  const { ends, ended, disk } = openEnds()
  await expect(ends.end('a')).rejects.toBe(full)
  ends.close()
  expect(vi.getTimerCount()).toBe(0)
  disk.isFull = false
  await vi.advanceTimersByTimeAsync(60_000)
  expect(ended).toEqual([])
  const closed = openEnds()
  closed.ends.close()
  await expect(closed.ends.end('b')).rejects.toBe(full)
  expect(vi.getTimerCount()).toBe(0)
})
