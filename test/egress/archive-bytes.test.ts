/** The bytes of generated archives, which never change (invariant 6). What zlib deflated is
 *  inflated before it is compared, since another version of zlib may deflate it otherwise. */
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { gunzipSync } from 'node:zlib'
import { unzipSync } from 'fflate'
import { extract, type Header } from 'tar-stream'
import { expect, test } from 'vitest'
import { type Digest, digestOf } from '../../src/core/bytes/digest.ts'
import type { EntryPath } from '../../src/core/manifest/entry.ts'
import {
  representFile,
  representRunZip,
  representTarGz,
  representZip,
} from '../../src/egress/egress.ts'
import type { Representation } from '../../src/egress/representation.ts'
import { measureFixed } from '../../src/egress/tar/fixed-deflate.ts'
import { tarHeader, tarHeaderShape } from '../../src/egress/tar/tar-header.ts'
import { zipMember } from '../../src/egress/zip/zip-layout.ts'
import type { StoredEntry } from '../../src/metadata/metadata.ts'
import { createMemoryStore, type EntrySpec, type FileForm } from './memory-store.ts'
import { fileOf, readAll } from './read-all.ts'

/** Around the bounds of a header's fields: a name of 100 characters after a prefix of 155. */
const paths = [
  'n',
  'n'.repeat(99),
  'n'.repeat(100),
  'n'.repeat(101),
  `p/${'n'.repeat(98)}`,
  `p/${'n'.repeat(99)}`,
  `p/${'n'.repeat(100)}`,
  `p/${'n'.repeat(101)}`,
  `p/q/${'n'.repeat(97)}`,
  `p/q/${'n'.repeat(98)}`,
  `${'p'.repeat(155)}/${'n'.repeat(99)}`,
  `${'p'.repeat(155)}/${'n'.repeat(100)}`,
  `${'p'.repeat(155)}/${'n'.repeat(101)}`,
  `${'p'.repeat(156)}/${'n'.repeat(99)}`,
  `${'p/'.repeat(77)}p/${'n'.repeat(99)}`,
  `${'p/'.repeat(120)}n`,
  'ä/ö',
  `ä${'n'.repeat(110)}`,
  // The length of their records includes its own digits, and has one more with them.
  `ä${'n'.repeat(89)}`,
  `ä${'n'.repeat(90)}`,
] as EntryPath[]
const targets = ['t', 't'.repeat(100), 't'.repeat(101), '../ü']
const times = [null, -1, 0, 1_700_000_001, 0o77777777777, 1e12]
const sizes = [0, 1, 0o77777777777, 0o100000000000, 2 ** 43 + 5]

const digest = '0'.repeat(64) as Digest
const entries: StoredEntry[] = paths.flatMap((path): StoredEntry[] => [
  { kind: 'directory', path, mode: 0o700 },
  ...targets.map((target): StoredEntry => ({ kind: 'symlink', path, mode: 0o777, target })),
  ...sizes.map((sizeBytes): StoredEntry => {
    const facts = { digest, sizeBytes, crc32: 0 }
    const blob = { ...facts, blobId: 1, copy: null, partCount: 1, joinedBytes: 0 }
    return { kind: 'file', path, mode: 0o644, digest, sizeBytes, blob }
  }),
])

/** Reads a header that stands alone. */
async function readHeader(bytes: Buffer): Promise<Header> {
  const tar = extract()
  const read = new Promise<Header>((resolve) => tar.once('entry', resolve))
  tar.on('error', () => undefined)
  tar.write(bytes)
  const header = await read
  tar.destroy()
  return header
}

test('golden: tar headers never change', () => {
  const headers = entries.flatMap((entry) => times.map((time) => tarHeader(entry, time)))
  expect(digestOf(Buffer.concat(headers))).toMatchInlineSnapshot(
    `"9d88352f2a228e71aecf553f2c593459830dd3552613fced1a95bce9c506eb9d"`,
  )
})

test('a tar header is read as what it was made from, whatever does not fit its fields', async () => {
  for (const entry of entries) {
    const { kind, path, mode } = entry
    const header = await readHeader(tarHeader(entry, 1_700_000_001))
    expect(header).toMatchObject({
      name: kind === 'directory' ? `${path}/` : path,
      type: kind,
      mode,
      mtime: new Date(1_700_000_001_000),
      size: kind === 'file' ? entry.sizeBytes : 0,
      linkname: kind === 'symlink' ? entry.target : null,
    })
  }
})

test('times that a tar header cannot express become its earliest and its latest', async () => {
  const [entry] = entries
  const read = async (time: number | null): Promise<number> =>
    (await readHeader(tarHeader(entry!, time))).mtime!.getTime() / 1000
  expect(await Promise.all(times.map(read))).toEqual([
    0, 0, 0, 1_700_000_001, 0o77777777777, 0o77777777777,
  ])
})

test('tar headers of the same shape have the same deflated length', () => {
  const lengths = new Map<number, Set<string>>()
  for (const entry of entries) {
    const shape = tarHeaderShape(entry)
    const headers = times.map((time) => tarHeader(entry, time))
    // An extended header has no fixed shape.
    expect(shape === undefined).toBe(headers[0]!.length > 512)
    if (shape === undefined) continue
    const known = lengths.get(shape) ?? new Set()
    lengths.set(shape, known)
    for (const header of headers) known.add(JSON.stringify(measureFixed(header)))
  }
  expect(lengths.size).toBeGreaterThan(20)
  for (const known of lengths.values()) expect(known.size).toBe(1)
})

/** Files in one form, with lengths around those of tar blocks and of stored blocks of deflate,
 *  between directories and links. */
function treeOf(form: FileForm): EntrySpec[] {
  const lengths = [0, 1, 511, 512, 513, 1024, 65_535, 65_536, 140_000]
  return [
    ...lengths.map((length, index): EntrySpec => ({
      kind: 'file',
      path: `files/${index}`,
      mode: 0o600 + index,
      content: Buffer.alloc(length, 'some content. '),
      form,
      modifiedAt: times[index % times.length]!,
    })),
    ...paths.map((path): EntrySpec => ({ kind: 'directory', path: `${path}-` })),
    ...targets.map((target, index): EntrySpec => ({
      kind: 'symlink',
      path: `links/${index}`,
      target,
    })),
  ]
}

const forms: FileForm[] = ['stored', 'joining', 'deflate', { partBytes: 30_000 }]

/** Reads an archive whole and in ranges. */
async function readInRanges(archive: Representation): Promise<Buffer> {
  const whole = await readAll(archive)
  expect(whole.length).toBe(archive.totalBytes)
  const ranges: Buffer[] = []
  for (let start = 0; start < whole.length; start += 30_011)
    ranges.push(await readAll(archive, start, Math.min(start + 30_011, whole.length)))
  expect(Buffer.concat(ranges).equals(whole)).toBe(true)
  return whole
}

test('golden: the bytes of archives, and of a gzipped file, never change', async () => {
  const store = createMemoryStore()
  const artifact = store.addArtifact(treeOf('stored'))
  const zip = await readInRanges(await representZip(store.reader, artifact))
  expect(digestOf(zip)).toMatchInlineSnapshot(
    `"6404a8b502b32908f4c6cf8a9624750ba6f517afc23e4791e5ffec948d48e5d3"`,
  )
  const tarGz = await readInRanges(await representTarGz(store.reader, artifact))
  expect(digestOf(tarGz)).toMatchInlineSnapshot(
    `"705dcaff1ea2d9902d36e9e953cf8f35dda5ded364cd86598704a1c8ab5d8207"`,
  )
  // Headers without contents between them are deflated in blocks of bounded length.
  const folders = Array.from({ length: 300 }, (_, index): EntrySpec => {
    return { kind: 'directory', path: `d${index}` }
  })
  const headers = await representTarGz(store.reader, store.addArtifact(folders))
  expect(digestOf(await readInRanges(headers))).toMatchInlineSnapshot(
    `"627bf3697aa80bcdbb04e327c82979f076428b9bb90b115ae39e34a909999d01"`,
  )
  const run = await readInRanges(await representRunZip(store.reader, [artifact]))
  expect(digestOf(run)).toMatchInlineSnapshot(
    `"b4226bca8f94ffaf244d8d77cc25ee6d0ba9301ae80cf25dbe1f053627fcdaaa"`,
  )
  const file = await fileOf(store, artifact, 'files/8')
  const gzip = await readInRanges(await representFile(store.reader, artifact, file, { gzip: true }))
  expect(digestOf(gzip)).toMatchInlineSnapshot(
    `"bab2da491705fcfba7a89d54f3e352c78bbba75d2e3110029e30f9e019ee646b"`,
  )
})

test('contents are the same in whatever form files are stored', async () => {
  const specs = treeOf('stored')
  const names = specs.map(({ kind, path }) => (kind === 'directory' ? `${path}/` : path))
  const tars: Buffer[] = []
  for (const form of forms) {
    const store = createMemoryStore()
    const artifact = store.addArtifact(treeOf(form))
    tars.push(gunzipSync(await readInRanges(await representTarGz(store.reader, artifact))))
    const unzipped = unzipSync(await readInRanges(await representZip(store.reader, artifact)))
    expect(Object.keys(unzipped).toSorted()).toEqual(names.toSorted())
    for (const spec of specs) {
      if (spec.kind !== 'file') continue
      const { content, path } = spec
      expect(content.equals(unzipped[path]!)).toBe(true)
      if (![0, 1, 140_000].includes(content.length)) continue
      const file = await fileOf(store, artifact, path)
      const plain = await representFile(store.reader, artifact, file)
      expect((await readInRanges(plain)).equals(content)).toBe(true)
      const gzip = await representFile(store.reader, artifact, file, { gzip: true })
      expect(gunzipSync(await readInRanges(gzip)).equals(content)).toBe(true)
      // Of an empty file, only the frame and the end of a stream.
      if (content.length === 0) expect(gzip.totalBytes).toBe(10 + 2 + 8)
    }
  }
  for (const tar of tars) expect(tar.equals(tars[0]!)).toBe(true)
  const inTar: string[] = []
  const read = extract()
  read.on('entry', ({ name }, stream, next) => {
    inTar.push(name)
    stream.on('end', next).resume()
  })
  await pipeline(Readable.from([tars[0]!]), read)
  expect(inTar.toSorted()).toEqual(names.toSorted())
})

test('an empty file has no data in a zip, however it is stored', async () => {
  for (const form of forms) {
    const store = createMemoryStore()
    const artifact = store.addArtifact(treeOf(form))
    const file = await fileOf(store, artifact, 'files/0')
    const options = { modifiedAt: null, prefix: '', readParts: store.reader.metadata.readParts }
    expect(zipMember(file, options)).toMatchObject({ method: 0, storedBytes: 0, data: [] })
  }
})

test('ranges that begin pages into an archive are those slices of it', async () => {
  const store = createMemoryStore()
  const files = Array.from({ length: 1200 }, (_, index): EntrySpec => {
    const content = Buffer.from(`content ${index}`)
    return { kind: 'file', path: `f${index}`, content, form: 'stored' }
  })
  const artifact = store.addArtifact(files)
  for (const represent of [representZip, representTarGz]) {
    const archive = await represent(store.reader, artifact)
    expect(await readInRanges(archive)).toHaveLength(archive.totalBytes!)
  }
})
