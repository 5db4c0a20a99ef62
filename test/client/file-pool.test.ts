/** What the threads' pool does when a thread ends of itself, as one does that runs out of memory. */
import { EventEmitter } from 'node:events'
import { beforeEach, expect, test, vi } from 'vitest'
import { openFilePool } from '../../src/client/files/file-pool.ts'

class FakeThread extends EventEmitter {
  postMessage(): void {}
  ref(): void {}
  unref(): void {}
  async terminate(): Promise<void> {
    this.emit('exit', 1)
  }
}

const threads: FakeThread[] = []
vi.mock('../../src/program-files.ts', async (original) => ({
  ...(await original<typeof import('../../src/program-files.ts')>()),
  startThread: () => {
    const thread = new FakeThread()
    threads.push(thread)
    return thread
  },
}))

beforeEach(() => {
  threads.length = 0
})

test('tasks that a thread had, and those that waited, fail with what it ended with; no more are taken', async () => {
  const pool = openFilePool(1)
  const tasks = Array.from({ length: 5 }, () => pool.run({ kind: 'hash', paths: '' }))
  const told = Promise.allSettled(tasks)
  threads[0]!.emit('error', new Error('out of memory'))
  threads[0]!.emit('exit', 1)
  const reasons = (await told).map((each) => each.status === 'rejected' && String(each.reason))
  expect(reasons).toEqual(Array.from({ length: 5 }, () => 'Error: out of memory'))
  await expect(pool.run({ kind: 'hash', paths: '' })).rejects.toThrow('out of memory')
  await pool.close()
})

test('tasks that wait when the pool is closed fail', async () => {
  const pool = openFilePool(2)
  const tasks = Array.from({ length: 5 }, () => pool.run({ kind: 'hash', paths: '' }))
  const told = Promise.allSettled(tasks)
  await pool.close()
  const reasons = (await told).map((each) => each.status === 'rejected' && String(each.reason))
  expect(new Set(reasons)).toEqual(new Set(['Error: the file pool was closed']))
})
