/** Storing the content of one file. */
import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { limits } from '../../src/core/limits.ts'
import { storeError } from '../../src/core/errors.ts'
import { createBlobWriter } from '../../src/ingest/blob-writer.ts'
import { storeFile } from '../../src/ingest/file-blobs.ts'
import { openSession } from './negotiated/open-session.ts'
import { openStore } from './open-store.ts'

test('the source of a file that cannot be stored is closed', async () => {
  const store = await openStore()
  const { id: sessionId } = await openSession(store, 'a/b')
  const create = async (): Promise<never> => {
    throw storeError('storage_full', 'the disk is full', { neededBytes: null })
  }
  const packs = { ...store.packs, create }
  const writer = createBlobWriter({ metadata: store.metadata, packs, sessionId })
  let isOpen = true
  const source = async function* (): AsyncGenerator<Buffer> {
    try {
      for (;;) yield randomBytes(limits.ingestBatchBytes)
    } finally {
      isOpen = false
    }
  }
  await expect(storeFile(writer, source(), { level: 0 })).rejects.toThrow('the disk is full')
  expect(isOpen).toBe(false)
  await writer.abort()
})
