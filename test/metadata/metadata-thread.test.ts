/** What the thread adds to the contract: errors that cross threads, and a death that is noticed. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { StoreError } from '../../src/core/errors.ts'
import { describeError } from '../../src/log.ts'
import type { Metadata } from '../../src/metadata/metadata.ts'
import { openMetadataWorker } from '../../src/metadata/sqlite/thread/sqlite-worker.ts'
import { copyOf, fileEntry, openSession, packOf, seedArtifact, seedRun } from './seed.ts'
import { temporaryDatabases } from './temporary-database.ts'

const { newDatabase, newPath } = temporaryDatabases()

/** The thread behind `metadata`, captured when a message is sent to it. */
async function threadOf(metadata: Metadata): Promise<Worker> {
  const send = vi.spyOn(Worker.prototype, 'postMessage')
  await metadata.figures()
  const [thread] = send.mock.contexts
  send.mockRestore()
  return thread as Worker
}

afterEach(() => {
  vi.restoreAllMocks()
})

describe('the metadata thread', () => {
  test('passes expected failures on with all their facts', async () => {
    const metadata = await openMetadataWorker({ path: await newDatabase() })
    const failure: unknown = await metadata
      .renewSession('none', 1, 1)
      .catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(StoreError)
    expect(failure).toMatchObject({
      code: 'session_ended',
      message: 'session none has ended',
      details: { sessionId: 'none' },
    })
    await metadata.close()
  })

  test('passes bugs on with their message and original stack', async () => {
    const metadata = await openMetadataWorker({ path: await newDatabase() })
    const session = await openSession(metadata, await seedRun(metadata))
    const bug: unknown = await metadata
      .stageManifestPage(session, 99, 0, [fileEntry('a', 'x')])
      .catch((error: unknown) => error)
    expect(bug).not.toBeInstanceOf(StoreError)
    expect(bug).toMatchObject({ name: 'AssertionError' })
    expect((bug as Error).message).toContain('manifest 99')
    expect(describeError(bug as Error)).toContain('src/metadata/sqlite/uploads/staging.ts')
    await metadata.close()
  })

  // Goal: a server need not wait for the dry run of a large store when it stops.
  test('stops measuring when the caller no longer waits', async () => {
    const metadata = await openMetadataWorker({ path: await newDatabase() })
    await seedArtifact(metadata, await seedRun(metadata), { a: 'content' }, { expiresAt: 3000 })
    const stop = new AbortController()
    const question = {
      artifactIds: null,
      releasableBy: 5000,
      readersHold: false,
      shared: false,
      now: 5000,
    }
    const stopped = metadata.measureRemoval(question, stop.signal)
    const reason = new Error('the caller has left')
    stop.abort(reason)
    await expect(stopped).rejects.toBe(reason)
    const whole = new AbortController()
    expect(await metadata.measureRemoval(question, whole.signal)).toMatchObject({ expired: 1 })
    await metadata.close()
  })

  test('answers calls made before closing, and none after', async () => {
    const metadata = await openMetadataWorker({ path: await newDatabase() })
    const session = await openSession(metadata, await seedRun(metadata))
    const contents = Array.from({ length: 3_000 }, (_, index) => `content ${index}`)
    const { pack, copies } = packOf(contents.map((content) => copyOf(content)))
    const added = metadata.addPack(session, pack, copies)
    const [closed, again] = [metadata.close(), metadata.close()]
    await expect(added).resolves.toEqual([])
    await Promise.all([closed, again])
    await expect(metadata.figures()).rejects.toThrow('closed')
  })

  test('does not start when the database cannot be opened', async () => {
    const path = join(newPath(), 'no', 'such', 'directory', 'trove.db')
    await expect(openMetadataWorker({ path })).rejects.toThrow('no such file or directory')
  })

  test('fails every call when it dies, and reports it once', async () => {
    const deaths: Error[] = []
    const metadata = await openMetadataWorker({
      path: await newDatabase(),
      onDeath: (error) => deaths.push(error),
    })
    const thread = await threadOf(metadata)
    const session = await openSession(metadata, await seedRun(metadata))
    const contents = Array.from({ length: 20_000 }, (_, index) => `content ${index}`)
    const { pack, copies } = packOf(contents.map((content) => copyOf(content)))
    // Registering so many takes many transactions; a short call could be answered before the thread
    // dies.
    const waiting = [
      metadata.addPack(session, pack, copies),
      metadata.addPack(session, pack, copies),
    ]
    const ended = thread.terminate()
    for (const call of waiting) await expect(call).rejects.toThrow('metadata thread')
    await ended
    await expect(metadata.figures()).rejects.toThrow('metadata thread')
    await expect(metadata.close()).rejects.toThrow('metadata thread')
    expect(deaths.map((death) => death.message)).toEqual([expect.stringContaining('thread')])
  })

  // Goal: a server without its metadata does not carry on.
  test('takes the process down when nobody handles its death', () => {
    const child = fileURLToPath(new URL('dying-thread-child.mjs', import.meta.url))
    const { status, stderr } = spawnSync(process.execPath, [child, newPath()], { encoding: 'utf8' })
    expect(stderr).toContain('the metadata thread ended with code 1')
    expect(status).toBe(1)
  })
})
