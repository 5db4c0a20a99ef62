/** The ingest threads: one that ends is replaced, however long that takes. */
import { readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { setTimeout } from 'node:timers/promises'
import type { Worker } from 'node:worker_threads'
import { expect, onTestFinished, test } from 'vitest'
import type { IngestJob } from '../../src/ingest/job.ts'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { invalidRequest } from '../../src/core/errors.ts'
import { parseProjectName, noFacts } from '../../src/core/run/run.ts'
import { openIngestJobs } from '../../src/ingest/pool/ingest-jobs.ts'
import {
  type IngestPool,
  type IngestPoolOptions,
  openIngestPool,
} from '../../src/ingest/pool/pool.ts'
import type { StartIngestThread } from '../../src/ingest/pool/pool-worker.ts'
import { createSharedLog } from '../../src/metadata/sqlite/log/shared-log.ts'
import { representRaw } from '../../src/egress/egress.ts'
import { openStaging } from '../../src/ingest/staging/staging.ts'
import type { Published, Run } from '../../src/metadata/metadata.ts'
import { findPackPlace } from '../../src/packs/pack-place.ts'
import { openSession, record } from './negotiated/open-session.ts'
import { inlineThread } from '../inline-thread.ts'
import { openFilesIn } from '../open-files.ts'
import { cutting, placeIn, startFakeS3 } from '../packs/fake-s3.ts'
import { jobOf, openStore, readAll, type TestStore } from './open-store.ts'

async function openPool(
  { directory, ports }: Pick<TestStore, 'directory' | 'ports'>,
  onWorkerFailure: (error: Error) => void,
  more: Partial<IngestPoolOptions> = {},
): Promise<IngestPool> {
  const staging = await openStaging(join(directory, 'staging'), { uploadBytesMax: 1000 })
  const pool = await openIngestPool({
    workers: 1,
    staging,
    databasePath: join(directory, 'trove.db'),
    packPlace: { kind: 'directory', directory: join(directory, 'cas') },
    dataDir: directory,
    minFreeBytes: 0,
    sharedLog: createSharedLog(),
    settings: ports.settings,
    onWorkerFailure,
    ...more,
  })
  onTestFinished(async () => {
    await pool.close()
  })
  return pool
}

/** Takes the places of a thread with uploads whose bodies go on until `end` is called. */
function occupy({ run }: TestStore, pool: IngestPool): { end(): Promise<void> } {
  const bodies = Array.from({ length: 8 }, () => new PassThrough())
  const uploads = bodies.map(
    async (body, index) => await pool.run(jobOf(run, `slow-${index}`, 'file', Date.now()), body),
  )
  return {
    end: async () => {
      for (const body of bodies) body.end('content')
      await Promise.all(uploads)
    },
  }
}

test('an upload waits while no thread can replace one that ended, and then completes', async () => {
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
  const pool = await openPool({ directory, ports }, (error) => failures.push(error.message))
  const upload = async (name: string): Promise<string> => {
    const job = jobOf(run, name, 'file', Date.now())
    return (await pool.run(job, Readable.from([Buffer.from(name)]))).artifact.name
  }
  expect(await upload('before')).toBe('before')
  // No pack store can be opened where a file is.
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

test('a waiting upload whose sender goes away fails at once, and its place is free', async () => {
  const store = await openStore()
  const pool = await openPool(store, () => undefined)
  const job = (name: string): IngestJob => jobOf(store.run, name, 'file', Date.now())
  const occupation = occupy(store, pool)
  const gone = new AbortController()
  const unread = new PassThrough()
  const leaving = pool.run(job('leaving'), unread, gone.signal)
  const staying = pool.run(job('staying'), Readable.from([Buffer.from('content')]))
  gone.abort(new Error('gone'))
  await expect(leaving).rejects.toThrow('gone')
  expect(unread.destroyed).toBe(true)
  await occupation.end()
  expect(await staying).toMatchObject({ created: true })
  const { artifacts } = await store.metadata.listArtifacts(
    {},
    { limit: 20, offset: 0, sort: 'newest', now: Date.now() },
  )
  expect(artifacts).toHaveLength(9)
})

test('slow senders delay nobody: neither other projects nor their own', async () => {
  const store = await openStore()
  const pool = await openPool(store, () => undefined)
  const other = await store.metadata.ensureRun(
    { project: parseProjectName('octo/other'), number: 1, attempt: 1 },
    noFacts,
    Date.now(),
  )
  const begin = (run: Run, name: string, body: Readable): Promise<Published> =>
    pool.run(jobOf(run, name, 'file', Date.now()), body)
  const bodies: PassThrough[] = []
  const slow = [store.run, other].flatMap((run) =>
    Array.from({ length: 20 }, async (_, index) => {
      const body = new PassThrough()
      bodies.push(body)
      body.write('begun, ')
      return await begin(run, `slow-${index}`, body)
    }),
  )
  for (const run of [store.run, other]) {
    const quick = begin(run, 'quick', Readable.from([Buffer.from('content')]))
    expect(await quick).toMatchObject({ created: true })
  }
  for (const [index, body] of bodies.entries()) body.end(`ended ${index}`)
  const published = await Promise.all(slow)
  const contents = await Promise.all(
    published.map(async ({ artifact }) =>
      (await readAll(await representRaw(store.reader, artifact))).toString(),
    ),
  )
  expect(contents).toEqual(bodies.map((_, index) => `begun, ended ${index}`))
  expect(await readdir(join(store.directory, 'staging'))).toEqual([])
})

test('blobs that arrived before their request broke off stay, even if the request had to wait', async () => {
  const store = await openStore()
  const pool = await openPool(store, () => undefined)
  const session = await openSession(store, 'acme/app')
  const occupation = occupy(store, pool)
  const content = Buffer.from('complete')
  const breaking = async function* (): AsyncGenerator<Buffer> {
    yield await Promise.resolve(record(content))
    yield record(Buffer.from('incomplete')).subarray(0, -1)
    throw new Error('broken off')
  }
  const job = { step: 'blobs', sessionId: session.id, sentOnly: false } as const
  const sending = pool.negotiate(
    { ...job, projectId: session.projectId },
    Readable.from(breaking()),
  )
  await expect(sending).rejects.toThrow('broken off')
  expect(await store.metadata.claimSentBlobs(session.id, [digestOf(content)])).toHaveLength(1)
  await occupation.end()
})

test('the file of a body that had to wait is closed, even if its job fails before the end of it', async () => {
  const store = await openStore()
  const pool = await openPool(store, () => undefined)
  const session = await openSession(store, 'acme/app')
  const occupation = occupy(store, pool)
  const send = async (sessionId: string): Promise<unknown> => {
    const job = { step: 'blobs', sessionId, sentOnly: false, projectId: session.projectId } as const
    return await pool.negotiate(job, Readable.from([Buffer.alloc(1024 * 1024, 0xff)]))
  }
  await expect(send('0'.repeat(32))).rejects.toMatchObject({ code: 'session_ended' })
  await expect(send(session.id)).rejects.toMatchObject({ code: 'invalid_request' })
  await occupation.end()
  await expect.poll(() => openFilesIn(join(store.directory, 'staging'))).toBe(0)
})

test('when one thread cannot start, the others end', async () => {
  const store = await openStore()
  let started = 0
  let ended = 0
  const startThread: StartIngestThread = (data) => {
    const isFirst = started++ === 0
    const thread = inlineThread(async () => {
      if (isFirst) throw invalidRequest('data', 'no place for packs')
      return await openIngestJobs(data)
    })
    thread.once('exit', () => ended++)
    return thread
  }
  const opening = openPool(store, () => undefined, { workers: 3, startThread })
  await expect(opening).rejects.toThrow('no place for packs')
  expect(started).toBe(3)
  await expect.poll(() => ended).toBe(3)
})

test('a pool that closes waits for a replacement that is starting, and ends it', async () => {
  const store = await openStore()
  const threads: Worker[] = []
  let ended = 0
  let goOn = (): void => {}
  const held = new Promise<void>((resolve) => {
    goOn = resolve
  })
  const startThread: StartIngestThread = (data) => {
    const isReplacement = threads.length > 0
    const thread = inlineThread(async () => {
      if (isReplacement) await held
      return await openIngestJobs(data)
    })
    thread.once('exit', () => ended++)
    threads.push(thread)
    return thread
  }
  const pool = await openPool(store, () => undefined, { startThread })
  await threads[0]!.terminate()
  await expect.poll(() => threads.length).toBe(2)
  let isClosed = false
  const closing = pool.close().then(() => {
    isClosed = true
  })
  await setTimeout(50)
  expect(isClosed).toBe(false)
  goOn()
  await closing
  expect(ended).toBe(2)
})

// Goal: a server that has restored the store elsewhere may have taken the pack up.
test('an upload that fails removes no pack once another server has the bucket', async () => {
  const fake = await startFakeS3()
  onTestFinished(() => fake.close())
  const store = await openStore()
  const packPlace = await findPackPlace(store.directory, placeIn(fake))
  const pool = await openPool(store, () => undefined, {
    packPlace,
    startThread: (workerData) => inlineThread(async () => await openIngestJobs(workerData)),
  })
  fake.after = async (request, response) => {
    if (!request.startsWith('PUT ci/packs/')) return undefined
    fake.objects.set('ci/owner', { bytes: Buffer.from('another'), modifiedAt: Date.now() })
    return await cutting(request, response)
  }
  const body = Readable.from([Buffer.from('content')])
  const upload = pool.run(jobOf(store.run, 'dist', 'file', Date.now()), body)
  await expect(upload).rejects.toMatchObject({ code: 'busy' })
  expect([...fake.objects.keys()].filter((key) => key.endsWith('.zip'))).toHaveLength(1)
})
