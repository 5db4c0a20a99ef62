/** ZIP64 is used wherever counts, sizes or offsets need it, and nowhere else. */
import { execFileSync, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import * as yauzl from 'yauzl'
import { representTarGz, representZip } from '../../src/egress/egress.ts'
import type { StoredFile } from '../../src/metadata/metadata.ts'
import type { Representation } from '../../src/egress/representation.ts'
import { endlessBytes, endlessFile } from './endless-file.ts'
import { createMemoryStore, type EntrySpec, type MemoryStore } from './memory-store.ts'
import { readAll } from './read-all.ts'
import { testDirectory } from '../temporary-directory.ts'

const GiB = 1024 ** 3

/** Reads a representation by ranges, as a client with random access would. */
class RangeReader extends yauzl.RandomAccessReader {
  readonly representation: Representation
  constructor(representation: Representation) {
    super()
    this.representation = representation
  }
  override _readStreamForRange(start: number, end: number): Readable {
    return Readable.from(this.representation.read(start, end))
  }
}

interface ReadEntry {
  name: string
  sizeBytes: number
  content(): Promise<Buffer>
}

type Opened = (error: Error | null, zip: yauzl.ZipFile) => void

async function readDirectory(representation: Representation): Promise<ReadEntry[]> {
  const reader = new RangeReader(representation)
  const options = { lazyEntries: true, autoClose: false }
  return await listEntries((done) =>
    yauzl.fromRandomAccessReader(reader, representation.totalBytes, options, done),
  )
}

async function listEntries(open: (done: Opened) => void): Promise<ReadEntry[]> {
  const zip = await new Promise<yauzl.ZipFile>((resolve, reject) => {
    open((error, file) => (error === null ? resolve(file) : reject(error)))
  })
  const entries: ReadEntry[] = []
  return await new Promise((resolve, reject) => {
    zip.on('error', reject)
    zip.on('end', () => resolve(entries))
    zip.on('entry', (entry: yauzl.Entry) => {
      entries.push({
        name: entry.fileName,
        sizeBytes: entry.uncompressedSize,
        content: async () =>
          await new Promise((found, failed) => {
            zip.openReadStream(entry, (error, stream) =>
              error === null ? found(buffer(stream)) : failed(error),
            )
          }),
      })
      zip.readEntry()
    })
    zip.readEntry()
  })
}

function manyFiles(count: number): EntrySpec[] {
  return Array.from({ length: count }, (_, index) => ({
    kind: 'symlink',
    path: `d${index % 100}/link-${index}`,
    target: 'x',
  }))
}

test('70,000 entries need ZIP64 end records, which other programs read', async () => {
  const store = createMemoryStore()
  const zip = await representZip(store.reader, store.addArtifact(manyFiles(70_000)))
  const bytes = await readAll(zip)
  expect(bytes.length).toBe(zip.totalBytes)
  const entries = await listEntries((done) => yauzl.fromBuffer(bytes, { lazyEntries: true }, done))
  expect(entries.length).toBe(70_000)
  if (spawnSync('python3', ['--version']).status !== 0) return
  const dir = testDirectory()
  writeFileSync(join(dir, 'a.zip'), bytes)
  const script = 'import sys, zipfile; print(len(zipfile.ZipFile(sys.argv[1]).infolist()))'
  expect(
    execFileSync('python3', ['-c', script, join(dir, 'a.zip')], { encoding: 'utf8' }).trim(),
  ).toBe('70000')
})

test('65,534 entries do not need ZIP64, one more does', () => {
  const store = createMemoryStore()
  const specs = manyFiles(65_535)
  const oneLess = store.addArtifact(specs.filter(({ path }) => path !== 'd0/link-0')).zipBytes
  // The member's two headers, its name twice, its target, and the two ZIP64 records.
  expect(store.addArtifact(specs).zipBytes - oneLess).toBe(
    30 + 46 + 2 * 'd0/link-0'.length + 1 + 56 + 20,
  )
})

/** Replaces the second entry of an artifact with a file too large to store. */
function replaceSecond(store: MemoryStore, id: number, file: StoredFile): void {
  const { read } = store.reader.packs
  store.reader.packs.read = async (name, offset, lengthBytes) =>
    name === 'endless' ? endlessBytes(offset, lengthBytes) : await read(name, offset, lengthBytes)
  const { readEntryPage } = store.reader.metadata
  store.reader.metadata.readEntryPage = async (artifactId, number) => {
    const page = await readEntryPage(artifactId, number)
    if (artifactId !== id || page === undefined) return page
    return { ...page, entries: page.entries.toSpliced(1, 1, file) }
  }
}

test.each([
  { sizeBytes: 5 * GiB + 12_345, wide: true },
  { sizeBytes: 0xffffffff, wide: true },
  { sizeBytes: 0xffffffff - 1, wide: false },
])(
  'a file of $sizeBytes bytes, and one after it, are found by ranges',
  async ({ sizeBytes, wide }) => {
    const store = createMemoryStore()
    const file = (path: string): EntrySpec => ({
      kind: 'file',
      path,
      content: Buffer.from(path),
      form: 'joining',
    })
    const specs = ['a', 'b', 'c'].map(file)
    const artifact = store.addArtifact(specs)
    replaceSecond(store, artifact.id, endlessFile('b', sizeBytes))
    const subset = { paths: ['*'] }
    const zip = await representZip(store.reader, artifact, subset)
    const entries = await readDirectory(zip)
    expect(entries.map(({ name, sizeBytes: size }) => [name, size])).toEqual([
      ['a', 1],
      ['b', sizeBytes],
      ['c', 1],
    ])
    expect((await entries[2]!.content()).toString()).toBe('c')
    const header = await secondLocalHeader(zip)
    expect(header.readUInt16LE(4)).toBe(wide ? 45 : 20)
    expect(header.readUInt32LE(22)).toBe(wide ? 0xffffffff : sizeBytes)
    expect(header.readUInt16LE(28)).toBe(wide ? 20 : 0)
    const tarGz = await representTarGz(store.reader, artifact, subset)
    const end = await readAll(tarGz, tarGz.totalBytes - 100)
    expect(end.length).toBe(100)
  },
)

async function secondLocalHeader(zip: Representation): Promise<Buffer> {
  const head = await readAll(zip, 0, 300)
  return head.subarray(head.indexOf(Buffer.from('PK\x03\x04', 'latin1'), 4))
}
