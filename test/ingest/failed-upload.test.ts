/** An upload that fails: how soon, and what its sender is told. */
import { randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { limits } from '../../src/core/limits.ts'
import { ingest } from '../../src/ingest/ingest.ts'
import type { UploadForm } from '../../src/ingest/job.ts'
import { buildZip } from '../corpus/build-zip.ts'
import { tarOf } from '../http/archives-of.ts'
import { collectNow } from '../lifecycle/collection.ts'
import { leftovers } from '../lifecycle/leftovers.ts'
import { expectNothing, jobOf, openStore, stagedIn } from './open-store.ts'

// Several batches: the first begins a pack while the next is read.
const large = randomBytes(3 * limits.ingestBatchBytes)

test.each<[UploadForm, Buffer]>([
  ['file', large],
  ['zip', buildZip({ members: [{ name: 'large', content: large, method: 0 }] })],
])('a staged %s stops within a file when its sender is gone', async (form, body) => {
  const store = await openStore()
  const gone = new AbortController()
  const packs = {
    ...store.packs,
    create: async () => {
      gone.abort(new Error('gone'))
      return await store.packs.create()
    },
  }
  const staged = await stagedIn(store.directory, body)
  const job = { ...jobOf(store.run, 'dist', form, Date.now()), staged }
  const uploading = ingest({ ...store.ports, packs }, job, { signal: gone.signal })
  await expect(uploading).rejects.toThrow('gone')
  await expectNothing(store)
})

test('the sender is told of the first failure, even if the session cannot be ended', async () => {
  const store = await openStore()
  const abortSession = async (): Promise<void> => {
    await Promise.reject(new Error('cannot be ended'))
  }
  const metadata = { ...store.metadata, abortSession }
  const staged = await stagedIn(store.directory, Buffer.from('no zip'))
  const job = { ...jobOf(store.run, 'dist', 'zip', Date.now()), staged }
  await expect(ingest({ ...store.ports, metadata }, job, {})).rejects.toMatchObject({
    code: 'bad_archive',
  })
})

/** Makes the call with that number fail, counted over all ports that are wrapped. */
function createFault(number: number): {
  wrap<Port extends object>(port: Port): Port
  calls(): number
} {
  let calls = 0
  const wrap = <Port extends object>(port: Port): Port => {
    const wrapped = Object.entries(port).map(([name, value]: [string, unknown]) => {
      if (typeof value !== 'function' || name.startsWith('abort')) return [name, value]
      const call = async (...given: unknown[]): Promise<unknown> => {
        calls += 1
        if (calls === number) throw new Error('injected')
        return await (value as (...given: unknown[]) => unknown)(...given)
      }
      return [name, call]
    })
    return Object.fromEntries(wrapped) as Port
  }
  return { wrap, calls: () => calls }
}

/** Unknown to the store, so that each of its calls is made. */
function newFiles(): { name: string; content: string | Buffer }[] {
  return [
    { name: 'small', content: randomBytes(16).toString('hex') },
    { name: 'large', content: randomBytes(300_000) },
  ]
}

test.each<[string, UploadForm, () => Buffer | Promise<Buffer>]>([
  ['file', 'file', () => randomBytes(300_000)],
  ['tar', 'tar', async () => await tarOf(newFiles())],
  ['zip', 'zip', () => buildZip({ members: newFiles() })],
  [
    'zip that is kept whole',
    'zip',
    () => buildZip({ members: [...newFiles(), { name: '../up', content: 'up' }] }),
  ],
])('whichever call fails, a %s leaves nothing', async (_what, form, bodyOf) => {
  const store = await openStore()
  for (let number = 1; ; number++) {
    const body = await bodyOf()
    const { wrap, calls } = createFault(number)
    const packs = {
      ...wrap(store.packs),
      create: async () => wrap(await store.packs.create()),
    }
    const staged = form === 'zip' ? await stagedIn(store.directory, body) : null
    const job = { ...jobOf(store.run, 'dist', form, Date.now()), staged }
    const ports = { ...store.ports, metadata: wrap(store.metadata), packs }
    const source = staged === null ? { body: Readable.from([body]) } : {}
    const uploading = ingest(ports, job, source)
    const [{ status }] = await Promise.allSettled([uploading])
    if (calls() < number) {
      expect(status).toBe('fulfilled')
      return
    }
    await expect(uploading).rejects.toThrow('injected')
    await expectNothing(store)
    expect(await readdir(join(store.directory, 'cas', 'staging', 'packs'))).toEqual([])
    for await (const { name } of store.packs.list())
      expect(await store.metadata.hasPack(name)).toBe(true)
    await collectNow(store.ports)
    expect(await store.packBytes()).toBe(0)
    expect(leftovers(join(store.directory, 'trove.db'))).toEqual({})
  }
})
