/** The file pool when a worker dies by itself, as one does that runs out of memory. */
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

test('running and waiting tasks fail with the error that killed the worker, and later tasks are rejected', async () => {
  const { pool, thread } = await openPool(1)
  const told = runFive(pool)
  // Before the worker has started.
  await thread.terminate()
  for (const reason of [...(await told), ...(await runFive(pool))])
    expect(reason).toMatch(/^Error: the file thread ended with code [01]$/)
})

test('running and waiting tasks fail when the pool is closed', async () => {
  const { pool } = await openPool(2)
  const told = runFive(pool)
  await pool.close()
  for (const reason of await told)
    expect(reason).toMatch(/^Error: the file (pool|thread) is closed$/)
})
