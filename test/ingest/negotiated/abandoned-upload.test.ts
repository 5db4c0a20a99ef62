/** An upload whose client may never come back: nobody else waits until its session ends. */
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { parseArtifactName } from '../../../src/core/artifact.ts'
import { decodeOrdinals } from '../../../src/core/bytes/blob-exchange.ts'
import { manifestHeader } from '../../../src/core/manifest/manifest.ts'
import { changesHeader } from '../../../src/core/manifest/manifest-changes.ts'
import { encodeJoiningSync } from '../../../src/packs/codec/codec.ts'
import { scrubNow } from '../../lifecycle/collection.ts'
import { recoverAt } from '../../lifecycle/store-at.ts'
import { spoil } from '../../lifecycle/stored-bytes.ts'
import { openStore, type TestStore } from '../open-store.ts'
import { type Files, manifestOf, openSession, record, type Session } from './open-session.ts'

const content = Buffer.from(
  Array.from({ length: 400 }, (_, line) => `line ${(line * 7919) % 131} of ${line % 9}\n`).join(''),
)
const files = { file: content }
const others = [
  ['another tree', { ...files, more: Buffer.from('more') }],
  ['the same tree', files],
] as const

/** Returns an artifact of one file, and an upload of these files that finds its name taken. */
async function failToCommit(
  store: TestStore,
  wanted: Files,
): Promise<{ artifactId: number; session: Session }> {
  const { artifact } = await upload(await openSession(store, 'acme/app'), files)
  await store.putTar('taken', { other: 'content' })
  const session = await openSession(store, 'acme/app')
  const target = { ...session.target }
  Object.assign(session.target, { name: parseArtifactName('taken'), runId: store.run.id })
  await expect(upload(session, wanted)).rejects.toMatchObject({ code: 'name_taken' })
  Object.assign(session.target, target)
  return { artifactId: artifact.id, session }
}

async function upload(session: Session, wanted: Files): ReturnType<Session['commit']> {
  await session.offer(wanted)
  for (const each of Object.values(wanted)) await session.step({ step: 'blobs' }, record(each))
  return await session.commit(wanted)
}

/** The file goes bad and arrives again, compressed otherwise. */
async function expectHealing({ directory, ...store }: TestStore, artifactId: number) {
  await spoil(join(directory, 'cas'), encodeJoiningSync(content, 6))
  expect(await scrubNow(store.ports)).toMatchObject({ damagedArtifacts: 1 })
  await store.putTar('again', files)
  expect(await store.metadata.findArtifact(artifactId)).toMatchObject({ state: 'available' })
}

test.each(others)('a failed commit of %s does not prevent healing', async (_which, wanted) => {
  const store = await openStore({ compressionLevel: 1 })
  const { artifactId, session } = await failToCommit(store, wanted)
  await expectHealing(store, artifactId)
  expect(await session.commit(wanted)).toMatchObject({ created: true })
})

test('neither does one that ended with its process', async () => {
  const store = await openStore({ compressionLevel: 1 })
  const { metadata } = store
  const dead = async (): Promise<void> => await Promise.reject(new Error('the process has ended'))
  store.ports.metadata = { ...metadata, unstageManifests: dead }
  const { artifactId, session } = await failToCommit(store, others[0][1])
  store.ports.metadata = metadata
  await recoverAt(store.directory, store.ports)
  await expectHealing(store, artifactId)
  expect(await session.commit(others[0][1])).toMatchObject({ created: true })
})

test.each([
  ['before its commit', false],
  ['after a commit that lacked a file', true],
])('an upload of changes, abandoned %s, does not prevent healing', async (_when, isCommitted) => {
  const store = await openStore({ compressionLevel: 1 })
  const { artifact } = await upload(await openSession(store, 'acme/app'), files)
  const session = await openSession(store, 'acme/app')
  const wanted = { ...files, more: Buffer.from('more') }
  expect(await offerChanges(session, files, wanted)).toEqual([0])
  if (isCommitted) {
    await expect(session.commit(wanted)).rejects.toMatchObject({ code: 'upload_incomplete' })
  }
  await expectHealing(store, artifact.id)
  // Its changes can still be completed.
  await session.step({ step: 'blobs' }, record(wanted.more))
  expect(await session.commit(wanted)).toMatchObject({ created: true })
})

/** Files of `wanted` that are not in `base`, as changes to it; returns what is missing of them. */
async function offerChanges(session: Session, base: Files, wanted: Files): Promise<number[]> {
  const [before, after] = [base, wanted].map(manifestOf)
  const added = Object.entries(wanted).filter(([path]) => !(path in base))
  const lines = manifestOf(Object.fromEntries(added)).text.slice(manifestHeader.length)
  const job = { treeDigest: after!.treeDigest, base: before!.treeDigest, encoding: 'gzip' } as const
  return decodeOrdinals(
    await session.step({ step: 'changes', ...job }, gzipSync(changesHeader + lines)),
  )
}
