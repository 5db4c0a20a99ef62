/** A tree that the project has is committed again without its entries. */
import { expect, test } from 'vitest'
import type { Published } from '../../../src/metadata/metadata.ts'
import { openStore, type TestStore } from '../open-store.ts'
import { type Files, manifestOf, openSession, record } from './open-session.ts'

type Artifact = Published['artifact']

const files: Files = { a: Buffer.from('one'), 'd/b': Buffer.from('two') }

async function openKnowing(): Promise<{ store: TestStore; first: Artifact }> {
  const store = await openStore()
  const session = await openSession(store, 'mine/app')
  await session.offer(files)
  await session.step(
    { step: 'blobs' },
    Buffer.concat(Object.values(files).map((each) => record(each))),
  )
  const { artifact } = await session.commit(files)
  return { store, first: artifact }
}

test('the project of a tree need send nothing, and gets the same artifact', async () => {
  const { store, first } = await openKnowing()
  const session = await openSession(store, 'mine/app')
  const { artifact, created } = await session.commit(files)
  expect(created).toBe(true)
  const told = ({ treeDigest, entryCount, logicalBytes, zipBytes }: Artifact): unknown => [
    treeDigest,
    entryCount,
    logicalBytes,
    zipBytes,
  ]
  expect(told(artifact)).toEqual(told(first))
  expect(artifact.treeDigest).toBe(manifestOf(files).treeDigest)
  expect(artifact.newBytes).toBe(0)
})

test('another project has to send it', async () => {
  const { store } = await openKnowing()
  const session = await openSession(store, 'other/app')
  await expect(session.commit(files)).rejects.toMatchObject({ code: 'upload_incomplete' })
})

test('a tree that is removed just when it was found has to be sent', async () => {
  const { store } = await openKnowing()
  const other = { ...files, c: Buffer.from('three') }
  const { treeDigest } = manifestOf(files)
  const { metadata } = store.ports
  store.ports.metadata = {
    ...metadata,
    findKnownTree: async (projectId, _, now) =>
      await metadata.findKnownTree(projectId, treeDigest, now),
  }
  const session = await openSession(store, 'mine/app')
  await expect(session.commit(other)).rejects.toMatchObject({ code: 'upload_incomplete' })
})

test('a tree that becomes known during its commit is not stored again', async () => {
  const { store, first } = await openKnowing()
  const { metadata } = store.ports
  store.ports.metadata = { ...metadata, findKnownTree: async () => undefined }
  const session = await openSession(store, 'mine/app')
  expect(await session.offer(files)).toEqual([])
  const { manifestId, zipBytes } = first
  expect((await session.commit(files)).artifact).toMatchObject({ manifestId, zipBytes })
})
