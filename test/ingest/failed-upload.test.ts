/** An upload that fails: how soon, and what its sender is told. */
import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { limits } from '../../src/core/limits.ts'
import { ingest } from '../../src/ingest/ingest.ts'
import type { UploadForm } from '../../src/ingest/job.ts'
import { buildZip } from '../corpus/build-zip.ts'
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
