/** Archives beyond 32-bit limits, read by common tools. Bytes are generated on read. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { expect, test } from 'vitest'
import { representTarGz, representZip } from '../../src/egress/egress.ts'
import type { Artifact } from '../../src/metadata/metadata.ts'
import { endlessBytes, endlessFile } from './endless-file.ts'
import { createMemoryStore, type EntrySpec, type MemoryStore } from './memory-store.ts'
import { testDirectory } from '../temporary-directory.ts'

const GiB = 1024 ** 3

/** Returns an artifact of `a`, a file `b` of `sizeBytes`, and `c`. */
function largeArtifact(sizeBytes: number): { store: MemoryStore; artifact: Artifact } {
  const store = createMemoryStore()
  const file = (path: string): EntrySpec => ({
    kind: 'file',
    path,
    content: Buffer.from(path),
    form: 'joining',
  })
  const artifact = store.addArtifact(['a', 'b', 'c'].map(file))
  const { packs, metadata } = store.reader
  const { read } = packs
  packs.read = async (name, offset, lengthBytes) =>
    name === 'endless' ? endlessBytes(offset, lengthBytes) : await read(name, offset, lengthBytes)
  const { readEntryPage } = metadata
  metadata.readEntryPage = async (id, number) => {
    const page = await readEntryPage(id, number)
    return page && { ...page, entries: page.entries.toSpliced(1, 1, endlessFile('b', sizeBytes)) }
  }
  return { store, artifact }
}

test('unzip and Python accept a zip with a member of 4.5 GiB and one after it', async () => {
  const { store, artifact } = largeArtifact(4.5 * GiB)
  const zip = await representZip(store.reader, artifact, { paths: ['*'] })
  const dir = testDirectory()
  const path = join(dir, 'a.zip')
  await pipeline(Readable.from(zip.read(0, zip.totalBytes)), createWriteStream(path))
  execFileSync('unzip', ['-tqq', path])
  const script =
    'import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); print(z.testzip(), [i.file_size for i in z.infolist()])'
  const read = execFileSync('python3', ['-c', script, path], { encoding: 'utf8' })
  expect(read.trim()).toBe(`None [1, ${4.5 * GiB}, 1]`)
})

test('GNU tar lists a tar.gz with a file of more than 8 GiB, whose size needs an extended header', async () => {
  const sizeBytes = 8 * GiB + 7
  const { store, artifact } = largeArtifact(sizeBytes)
  const tarGz = await representTarGz(store.reader, artifact, { paths: ['*'] })
  const tar = spawn('tar', ['-tvzf', '-'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, LC_ALL: 'C' },
  })
  const listing = text(tar.stdout)
  const ended = once(tar, 'close')
  await pipeline(Readable.from(tarGz.read(0, tarGz.totalBytes)), tar.stdin)
  expect((await ended)[0]).toBe(0)
  const sizes = (await listing)
    .trim()
    .split('\n')
    .map((line) => line.split(/\s+/)[2])
  expect(sizes).toEqual(['1', String(sizeBytes), '1'])
})
