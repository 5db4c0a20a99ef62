/** Damage: what is emitted is a prefix of what the intact store emits, and only copies with bad
 *  bytes are marked (invariant 4). */
import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { placeOf } from '../../src/core/bytes/copy.ts'
import { hasCode, storeError } from '../../src/core/errors.ts'
import { representFile, representTarGz, representZip } from '../../src/egress/egress.ts'
import type { Representation } from '../../src/egress/representation.ts'
import type { Artifact } from '../../src/metadata/metadata.ts'
import { createMemoryStore, type EntrySpec, type MemoryStore } from './memory-store.ts'
import { failureOf, fileOf, readAll } from './read-all.ts'
import { fullTree, repetitive } from './trees.ts'

const specs: EntrySpec[] = [
  { kind: 'file', path: 'a', content: repetitive(9000), form: 'joining' },
  { kind: 'file', path: 'b', content: randomBytes(2_200_000), form: 'stored' },
  { kind: 'file', path: 'c', content: randomBytes(300_000), form: { partBytes: 65_536 } },
  { kind: 'file', path: 'd', content: repetitive(500_000), form: 'deflate' },
]

async function emitted(representation: Representation): Promise<{ bytes: Buffer; error: unknown }> {
  const chunks: Buffer[] = []
  try {
    for await (const chunk of representation.read(0, representation.totalBytes)) chunks.push(chunk)
  } catch (error) {
    return { bytes: Buffer.concat(chunks), error }
  }
  return { bytes: Buffer.concat(chunks), error: undefined }
}

async function formsOf(store: MemoryStore, artifact: Artifact): Promise<Representation[]> {
  const { reader } = store
  const files = await Promise.all(specs.map((spec) => fileOf(store, artifact, spec.path)))
  return [
    await representZip(reader, artifact),
    await representTarGz(reader, artifact),
    ...(await Promise.all(files.map((file) => representFile(reader, artifact, file)))),
    ...(await Promise.all(
      files.map((file) => representFile(reader, artifact, file, { gzip: true })),
    )),
  ]
}

// Flips one bit of every copy in turn.
test('a damaged page is never emitted, and is named and marked', async () => {
  const store = createMemoryStore()
  const artifact = store.addArtifact(specs)
  const forms = await formsOf(store, artifact)
  const whole = await Promise.all(forms.map((form) => readAll(form)))
  const pack = store.packs.get('pack-0')!
  let failures = 0
  for (let at = 45; at < pack.length; at += 150_001) {
    pack[at]! ^= 0x10
    for (const [index, form] of forms.entries()) {
      store.marked.length = 0
      const { bytes, error } = await emitted(form)
      expect(bytes.equals(whole[index]!.subarray(0, bytes.length))).toBe(true)
      if (error === undefined) {
        expect(bytes.length).toBe(whole[index]!.length)
        expect(store.marked).toEqual([])
        continue
      }
      failures += 1
      expect(hasCode(error, 'blob_damaged') && error.details.paths.length === 1).toBe(true)
      expect(store.marked.length).toBe(1)
    }
    pack[at]! ^= 0x10
  }
  expect(failures).toBeGreaterThan(40)
})

test('an archive of what is intact leaves out damaged files, and has an ETag of its own', async () => {
  const store = createMemoryStore()
  const artifact = store.addArtifact(specs, { state: 'damaged' })
  for (const path of ['b', 'd']) (await fileOf(store, artifact, path)).blob.copy!.damaged = true
  for (const represent of [representZip, representTarGz]) {
    const all = await represent(store.reader, artifact)
    await expect(all.verifyReadable()).rejects.toThrow('are damaged: b, d')
    const intact = await represent(store.reader, artifact, { intact: true })
    await intact.verifyReadable()
    expect(intact.fileName).toMatch(/^.+-intact\.(zip|tar\.gz)$/)
    const same = await represent(store.reader, artifact, { paths: ['{a,c}'] })
    expect((await readAll(intact)).equals(await readAll(same))).toBe(true)
    const etags = [all, intact, same].map(({ etag }) => etag)
    expect(new Set(etags).size).toBe(3)
    const nothing = represent(store.reader, artifact, { intact: true, paths: ['b'] })
    await expect(nothing).rejects.toThrow('are damaged: b')
  }
})

test('an archive of what is intact leaves out any number of damaged files', async () => {
  const store = createMemoryStore()
  const artifact = store.addArtifact(
    Array.from({ length: 1102 }, (_, index) => ({
      kind: 'file',
      path: `f${index}`,
      content: Buffer.from(String(index)),
      form: 'stored',
    })),
    { state: 'damaged' },
  )
  for (const page of [0, 1, 2])
    for (const entry of (await store.reader.metadata.readEntryPage(artifact.id, page))!.entries)
      if (entry.kind === 'file' && entry.path !== 'f7') entry.blob.copy!.damaged = true
  const intact = await representZip(store.reader, artifact, { intact: true })
  await intact.verifyReadable()
  const one = await representZip(store.reader, artifact, { paths: ['f7'] })
  expect(await readAll(intact)).toEqual(await readAll(one))
})

test('a pack that ends early marks the copies beyond its end and no others', async () => {
  const store = createMemoryStore()
  const artifact = store.addArtifact(specs)
  const zip = await representZip(store.reader, artifact)
  await readAll(zip)
  const file = await fileOf(store, artifact, 'd')
  const pack = store.packs.get('pack-0')!
  store.packs.set('pack-0', pack.subarray(0, pack.length - 1))
  const { error } = await emitted(zip)
  expect(hasCode(error, 'blob_damaged') && error.details.paths).toEqual(['d'])
  expect(store.marked).toEqual([placeOf(file.blob.copy!)])
})

test('a bad sector marks the copies that it lies in and no others', async () => {
  const store = createMemoryStore()
  const { marked, reader } = store
  const artifact = store.addArtifact(specs)
  const { blob } = await fileOf(store, artifact, 'c')
  const [, second] = await reader.metadata.readParts(blob.blobId, 0, 2)
  const badAt = second!.copy.offset + 10
  const read: typeof reader.packs.read = async (name, offset, lengthBytes, into) => {
    if (offset > badAt || badAt >= offset + lengthBytes)
      return await reader.packs.read(name, offset, lengthBytes, into)
    throw storeError('blob_damaged', 'the medium fails', { digest: null, paths: [] })
  }
  const packs = { ...reader.packs, read }
  const { error } = await emitted(await representZip({ ...reader, packs }, artifact))
  expect(hasCode(error, 'blob_damaged') && error.details.paths).toEqual(['c'])
  expect(marked).toEqual([placeOf(second!.copy)])
})

test('a missing pack fails the transfer and marks nothing', async () => {
  const store = createMemoryStore()
  const zip = await representZip(store.reader, store.addArtifact(specs))
  await readAll(zip)
  store.packs.clear()
  const { bytes, error } = await emitted(zip)
  expect(hasCode(error, 'blob_damaged')).toBe(true)
  expect(bytes.length).toBe(0)
  expect(store.marked).toEqual([])
})

test('any single failed read of a pack makes the transfer fail visibly', async () => {
  const store = createMemoryStore({ packBytes: 400_000 })
  const artifact = store.addArtifact(fullTree())
  for (const form of [
    await representZip(store.reader, artifact),
    await representTarGz(store.reader, artifact),
  ]) {
    store.reads.length = 0
    const whole = await readAll(form)
    const reads = store.reads.length
    expect(reads).toBeGreaterThan(5)
    for (let failing = 1; failing <= reads; failing++) {
      store.reads.length = 0
      const failure =
        failing % 2 === 0
          ? new Error('the disk is gone')
          : storeError('blob_damaged', 'the medium fails', { digest: null, paths: [] })
      store.beforeRead = (count) => {
        if (count === failing) throw failure
      }
      const { bytes, error } = await emitted(form)
      store.beforeRead = () => undefined
      // What fails for another reason than damage may be read again later.
      if (hasCode(failure, 'blob_damaged')) expect(error instanceof Error).toBe(true)
      else expect(error).toBe(failure)
      expect(store.marked).toEqual([])
      expect(bytes.length).toBeLessThan(whole.length)
      expect(bytes.equals(whole.subarray(0, bytes.length))).toBe(true)
    }
  }
})

test('copies that fail for another reason, when they are read one by one, are not marked', async () => {
  const store = createMemoryStore()
  const zip = await representZip(store.reader, store.addArtifact(specs))
  const gone = new Error('the disk is gone')
  store.beforeRead = (count) => {
    if (count > 1) throw gone
    throw storeError('blob_damaged', 'the medium fails', { digest: null, paths: [] })
  }
  expect(await emitted(zip)).toEqual({ bytes: Buffer.alloc(0), error: gone })
  expect(store.marked).toEqual([])
})

test('content that does not match its CRC-32 is not sent completely', async () => {
  const store = createMemoryStore()
  const artifact = store.addArtifact([
    { kind: 'file', path: 'a', content: repetitive(9000), form: 'joining' },
  ])
  const file = await fileOf(store, artifact, 'a')
  const lying = { ...file, blob: { ...file.blob, crc32: file.blob.crc32 ^ 1 } }
  const { bytes, error } = await emitted(await representFile(store.reader, artifact, lying))
  expect(hasCode(error, 'blob_damaged') && error.details.paths).toEqual(['a'])
  expect(bytes.length).toBeLessThan(9000)
})

test('verifyReadable names the paths known to be damaged, among those requested', async () => {
  const store = createMemoryStore()
  const available = store.addArtifact(specs)
  const damaged = { ...available, state: 'damaged' as const }
  const { readEntryPage, readParts } = store.reader.metadata
  const file = await fileOf(store, available, 'c')
  const [, part] = await readParts(file.blob.blobId, 0, 10)
  part!.copy.damaged = true
  store.reader.metadata.readEntryPage = async (id, number) => {
    const page = structuredClone(await readEntryPage(id, number))
    const first = page?.entries[0]
    if (first?.kind === 'file') first.blob.copy!.damaged = true
    return page
  }
  const pathsOf = async (representation: Representation): Promise<unknown> => {
    const error = await failureOf(representation.verifyReadable())
    return hasCode(error, 'blob_damaged') && error.details.paths
  }
  expect(await pathsOf(await representZip(store.reader, damaged))).toEqual(['a', 'c'])
  // Its artifact may have been read before the damage was found.
  const found = await fileOf(store, available, 'a')
  expect(await pathsOf(await representFile(store.reader, available, found))).toEqual(['a'])
  expect(await pathsOf(await representTarGz(store.reader, damaged, { paths: ['c'] }))).toEqual([
    'c',
  ])
  expect(await pathsOf(await representFile(store.reader, damaged, file))).toEqual(['c'])
  await (await representZip(store.reader, damaged, { paths: ['[bd]'] })).verifyReadable()
  await (await representZip(store.reader, available)).verifyReadable()
})
