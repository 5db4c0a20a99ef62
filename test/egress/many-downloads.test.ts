/** Hundreds of downloads at once: few of them hold memory, and each has the bytes that it would
 *  have alone, although it is closed and begun again in between. */
import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { encodeWants } from '../../src/core/bytes/blob-exchange.ts'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { representBlobs } from '../../src/egress/blob-list.ts'
import { representFile, representTarGz, representZip } from '../../src/egress/egress.ts'
import type { Reader } from '../../src/egress/reader.ts'
import type { Representation } from '../../src/egress/representation.ts'
import type { Artifact } from '../../src/metadata/metadata.ts'
import { createMemoryStore, type EntrySpec } from './memory-store.ts'
import { fileOf, readAll } from './read-all.ts'

const MiB = 1024 * 1024
/** Downloads that hold memory at a time. */
const placesMax = 64

interface Sources {
  reader: Reader
  artifact: Artifact
  /** Pages of entries that were read. */
  pages(): number
}

/** An artifact of 21 MiB: small files of each form, and a large one of many parts. */
function createSources(): Sources & { forms(): Promise<Representation[]> } {
  const store = createMemoryStore()
  const small = Array.from({ length: 1500 }, (_, index): EntrySpec => ({
    kind: 'file',
    path: `small/${index}`,
    content: randomBytes(index % 4000),
    form: (['joining', 'deflate', 'stored'] as const)[index % 3]!,
    modifiedAt: index,
  }))
  const content = randomBytes(9 * MiB)
  const large: EntrySpec = { kind: 'file', path: 'large', content, form: { partBytes: 2000 } }
  const whole: EntrySpec = { kind: 'file', path: 'whole', content, form: 'deflate' }
  const artifact = store.addArtifact([...small, large, whole])
  let pages = 0
  const { metadata, packs } = store.reader
  const readEntryPage: typeof metadata.readEntryPage = async (id, page) => {
    pages += 1
    return await metadata.readEntryPage(id, page)
  }
  const readEntries = async (id: number, ordinals: readonly number[]): Promise<unknown[]> => {
    const page = await metadata.readEntryPage(id, 0)
    return ordinals.map((ordinal) => page!.entries[ordinal])
  }
  const reader = { packs, metadata: { ...metadata, readEntryPage, readEntries } }
  const wants = encodeWants(Array.from({ length: 512 }, (_, ordinal) => ({ ordinal, parts: null })))
  const forms = async (): Promise<Representation[]> => [
    await representZip(reader, artifact),
    await representZip(reader, artifact, { paths: ['**/*7', 'large'] }),
    await representTarGz(reader, artifact),
    await representTarGz(reader, artifact, { paths: ['large', 'small/1*'] }),
    await representFile(reader, artifact, await fileOf(store, artifact, 'large')),
    await representFile(reader, artifact, await fileOf(store, artifact, 'large'), { gzip: true }),
    representBlobs(reader as unknown as Parameters<typeof representBlobs>[0], artifact, wants),
  ]
  return { reader, artifact, pages: () => pages, forms }
}

test('each of very many downloads has the bytes that it would have alone', async () => {
  const { forms } = createSources()
  const alone = await Promise.all((await forms()).map(async (one) => digestOf(await readAll(one))))
  const rounds = Math.ceil((placesMax + 6) / alone.length)
  const read = await Promise.all(
    Array.from({ length: rounds }, async () => {
      const again = await forms()
      return await Promise.all(again.map(async (one) => digestOf(await readAll(one))))
    }),
  )
  expect(read).toEqual(Array.from({ length: rounds }, () => alone))
})

test('clients that read nothing keep nobody waiting, and can go on', async () => {
  const { reader, artifact, pages } = createSources()
  const expected = await readAll(await representZip(reader, artifact))
  const begin = async (): Promise<AsyncIterator<Buffer>> => {
    const zip = await representZip(reader, artifact)
    return zip.read(0, zip.totalBytes)[Symbol.asyncIterator]()
  }
  const received: Buffer[][] = []
  const slow = await Promise.all(
    Array.from({ length: placesMax }, async (_, at) => {
      const chunks = await begin()
      received[at] = [((await chunks.next()) as IteratorYieldResult<Buffer>).value]
      return chunks
    }),
  )
  const before = pages()
  const quick = await begin()
  const first = quick.next()
  await new Promise((resolve) => setTimeout(resolve, 100))
  // There is no place yet.
  expect(pages()).toBe(before)
  expect((await first).done).toBe(false)
  expect(pages()).toBeGreaterThan(before)
  for (const [at, chunks] of slow.entries()) {
    if (at % 8 > 0) {
      await chunks.return?.()
      continue
    }
    for (let next = await chunks.next(); next.done !== true; next = await chunks.next())
      received[at]!.push(next.value)
    expect(Buffer.concat(received[at]!).equals(expected)).toBe(true)
  }
  await quick.return?.()
})
