/** An upload that fails while its session cannot be ended. */
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { openIngestJobs } from '../../src/ingest/pool/ingest-jobs.ts'
import { createSharedLog } from '../../src/metadata/sqlite/log/shared-log.ts'
import { whileDiskRefuses } from '../refusing-disk.ts'
import { jobOf, openStore } from './open-store.ts'

test('a session that could not be ended is ended once the disk takes writes again', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => {
    vi.useRealTimers()
  })
  const { directory, metadata, ports, run } = await openStore()
  const jobs = await openIngestJobs({
    databasePath: join(directory, 'trove.db'),
    packPlace: { kind: 'directory', directory: join(directory, 'cas') },
    dataDir: directory,
    minFreeBytes: 0,
    sharedLog: createSharedLog(),
    settings: ports.settings,
  })
  onTestFinished(async () => await jobs.close?.())
  const sessions = async (): Promise<string[]> => await metadata.listSessions(Infinity, 10)
  const sender: Parameters<typeof jobs.answer>[1] = {
    stop: new AbortController(),
    notify: () => undefined,
  }
  const job = jobOf(run, 'dist', 'tar', Date.now())
  const failing = Promise.resolve(jobs.answer({ job, body: 'follows' }, sender))
  await vi.waitFor(async () => expect(await sessions()).toHaveLength(1))
  await whileDiskRefuses(async () => {
    sender.onMore?.(Buffer.alloc(1024, 'no tar'))
    await expect(failing).rejects.toMatchObject({ code: 'bad_archive' })
    await vi.advanceTimersByTimeAsync(60_000)
  })
  expect(await sessions()).toHaveLength(1)
  await vi.advanceTimersByTimeAsync(60_000)
  await vi.waitFor(async () => expect(await sessions()).toEqual([]))
})
