/** The threads that ingest: one that ends is replaced, however long that takes. */
import { rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import type { Worker } from 'node:worker_threads'
import { expect, onTestFinished, test } from 'vitest'
import { openIngestPool } from '../../src/ingest/pool.ts'
import { createSharedLog } from '../../src/metadata/shared-log.ts'
import { jobOf, openStore } from './open-store.ts'

test('an upload waits while no thread can begin in place of one that ended, and then is done', async () => {
  const { directory, ports, run } = await openStore()
  const threads: Worker[] = []
  const seen = (thread: Worker): void => {
    threads.push(thread)
  }
  process.on('worker', seen)
  onTestFinished(() => {
    process.off('worker', seen)
  })
  const failures: string[] = []
  const pool = await openIngestPool({
    workers: 1,
    databasePath: join(directory, 'trove.db'),
    packDirectory: join(directory, 'cas'),
    sharedLog: createSharedLog(),
    settings: ports.settings,
    onWorkerFailure: (error) => failures.push(error.message),
  })
  onTestFinished(async () => {
    await pool.close()
  })
  const upload = async (name: string): Promise<string> => {
    const job = jobOf(run, name, 'file', Date.now())
    return (await pool.run(job, Readable.from([Buffer.from(name)]))).artifact.name
  }
  expect(await upload('before')).toBe('before')
  // Nothing can be opened where a file lies.
  const packs = join(directory, 'cas')
  await rename(packs, `${packs}.away`)
  await writeFile(packs, '')
  await threads[0]!.terminate()
  const waiting = upload('after')
  await expect.poll(() => failures.length).toBeGreaterThan(2)
  await rm(packs)
  await rename(`${packs}.away`, packs)
  expect(await waiting).toBe('after')
  expect(failures[0]).toContain('ended with code')
})
