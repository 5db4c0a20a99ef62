/** What the threads' pool does when a thread ends of itself, as one does that runs out of memory. */
import { once } from 'node:events'
import type { Worker } from 'node:worker_threads'
import { expect, onTestFinished, test } from 'vitest'
import { type FilePool, openFilePool } from '../../src/client/files/file-pool.ts'

async function openPool(jobs: number): Promise<{ pool: FilePool; thread: Worker }> {
  const begun = once(process, 'worker')
  const pool = openFilePool(jobs)
  onTestFinished(async () => {
    await pool.close()
  })
  const [thread] = (await begun) as [Worker]
  return { pool, thread }
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

test('tasks that a thread had, and those that waited, fail with what it ended with; no more are taken', async () => {
  const { pool, thread } = await openPool(1)
  const told = runFive(pool)
  // Sooner than it can begin.
  await thread.terminate()
  for (const reason of [...(await told), ...(await runFive(pool))])
    expect(reason).toMatch(/^Error: the file thread ended with code [01]$/)
})

test('tasks that are under way or wait when the pool is closed fail', async () => {
  const { pool } = await openPool(2)
  const told = runFive(pool)
  await pool.close()
  for (const reason of await told)
    expect(reason).toMatch(/^Error: the file (pool|thread) is closed$/)
})
