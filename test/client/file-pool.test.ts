/** The file pool when a worker dies by itself, as one does that runs out of memory, and when a
 *  worker outlives the pool it was started for. */
import { once } from 'node:events'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Worker } from 'node:worker_threads'
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { type FilePool, openFilePool } from '../../src/client/files/file-pool.ts'
import { endIdleThreads, idleMs } from '../../src/client/files/file-threads.ts'

beforeEach(endIdleThreads)

async function openPool(jobs: number): Promise<{ pool: FilePool; thread: Worker }> {
  const begun = once(process, 'worker')
  const pool = openFilePool(jobs)
  onTestFinished(async () => {
    await pool.close()
  })
  const [thread] = (await begun) as [Worker]
  return { pool, thread }
}

/** Opens a pool, runs a task in it and closes it; returns the thread that is left. */
async function leaveThread(): Promise<Worker> {
  const { pool, thread } = await openPool(1)
  await runFive(pool)
  await pool.close()
  return thread
}

/** Opens a pool, runs a task and closes it; returns how many threads it started. */
async function startedByAnother(): Promise<number> {
  const seen = vi.fn<() => void>()
  process.on('worker', seen)
  onTestFinished(() => void process.off('worker', seen))
  const pool = openFilePool(1)
  expect(new Set(await runFive(pool))).toEqual(new Set(['done']))
  await pool.close()
  return seen.mock.calls.length
}

async function runFive(pool: FilePool): Promise<string[]> {
  const tasks = Array.from({ length: 5 }, async () => {
    return await pool.run({ kind: 'hash', paths: '' }).then(
      () => 'done',
      (error: unknown) => String(error),
    )
  })
  return await Promise.all(tasks)
}

test('running and waiting tasks fail with the error that killed the worker, and later tasks are rejected', async () => {
  const { pool, thread } = await openPool(1)
  const told = runFive(pool)
  // Before the worker has started.
  await thread.terminate()
  for (const reason of [...(await told), ...(await runFive(pool))])
    expect(reason).toMatch(/^Error: the file thread ended with code [01]$/)
})

test('running tasks end and waiting ones fail when the pool is closed', async () => {
  const { pool } = await openPool(2)
  const told = runFive(pool)
  await pool.close()
  const reasons = await told
  // A thread may answer before it ends.
  for (const reason of reasons)
    expect(reason).toMatch(/^(done|Error: the file (pool|thread) is closed)$/)
  expect(reasons).toContain('Error: the file pool is closed')
})

test('a worker without tasks serves the next pool', async () => {
  await leaveThread()
  expect([await startedByAnother(), await startedByAnother()]).toEqual([0, 0])
})

test('a worker that has a task when its pool is closed ends', async () => {
  const { pool } = await openPool(1)
  await runFive(pool)
  const told = runFive(pool)
  await pool.close()
  expect(await told).toContain('Error: the file pool is closed')
  expect(await startedByAnother()).toBe(1)
})

test('a worker whose pool is closed while it starts is not ended before it has started', async () => {
  const { pool, thread } = await openPool(1)
  const told = runFive(pool)
  const ended = once(thread, 'exit').then(() => 'ended')
  const started = once(thread, 'message').then(() => 'started')
  const closed = pool.close()
  expect(await Promise.race([ended, started])).toBe('started')
  await Promise.all([closed, told, ended])
})

test('a worker that dies between two pools is replaced, and one that dies later fails those of its pool', async () => {
  const dead = await leaveThread()
  await dead.terminate()
  await nextTurn()
  expect(await startedByAnother()).toBe(1)

  await endIdleThreads()
  const thread = await leaveThread()
  const second = openFilePool(1)
  onTestFinished(second.close)
  await thread.terminate()
  for (const reason of await runFive(second))
    expect(reason).toMatch(/^Error: the file thread ended with code [01]$/)
})

test('a worker that no pool takes for a while ends', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  const thread = await leaveThread()
  const ended = once(thread, 'exit')
  vi.advanceTimersByTime(idleMs - 1)
  expect(await startedByAnother()).toBe(0)
  vi.advanceTimersByTime(idleMs - 1)
  expect(await startedByAnother()).toBe(0)
  vi.advanceTimersByTime(idleMs)
  await ended
  expect(await startedByAnother()).toBe(1)
})
