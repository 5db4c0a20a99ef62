/** What the threads' pool does when a thread ends of itself, as one does that runs out of memory. */
import { EventEmitter } from 'node:events'
import { expect, test } from 'vitest'
import { type FilePool, openFilePool } from '../../src/client/files/file-pool.ts'

class FakeThread extends EventEmitter {
  postMessage(): void {}
  ref(): void {}
  unref(): void {}
  async terminate(): Promise<number> {
    this.emit('exit', 1)
    return 1
  }
}

function openPool(jobs: number): { pool: FilePool; threads: FakeThread[] } {
  const threads: FakeThread[] = []
  const pool = openFilePool(jobs, () => {
    const thread = new FakeThread()
    threads.push(thread)
    return thread
  })
  return { pool, threads }
}

test('tasks that a thread had, and those that waited, fail with what it ended with; no more are taken', async () => {
  const { pool, threads } = openPool(1)
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
  const { pool } = openPool(2)
  const tasks = Array.from({ length: 5 }, () => pool.run({ kind: 'hash', paths: '' }))
  const told = Promise.allSettled(tasks)
  await pool.close()
  const reasons = (await told).map((each) => each.status === 'rejected' && String(each.reason))
  expect(new Set(reasons)).toEqual(new Set(['Error: the file pool was closed']))
})
