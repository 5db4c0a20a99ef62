import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createChunker, isCompressed } from '../../src/core/bytes/chunker.ts'
import { chunkSizes, coarseChunkSizes } from '../../src/core/bytes/cut-points.ts'
import { crc32 } from '../../src/core/bytes/crc32.ts'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { limits } from '../../src/core/limits.ts'
import { recordKind } from '../../src/core/bytes/blob-exchange.ts'
import { createByteReader } from '../../src/core/bytes/varint.ts'
import { chunkFile, encodePieces } from '../../src/client/files/encode-pieces.ts'
import type { EncodePiece } from '../../src/client/files/file-tasks.ts'
import { decodeCopy } from '../../src/packs/codec/codec.ts'
import { makeDirectory, pseudoRandom } from './tree.ts'
import { openFiles } from '../open-files.ts'

const mebibyte = 1024 * 1024
/** Around one and two windows of the file, where an open chunk is carried over. */
const sizes = [0, 1, 200_000, mebibyte, mebibyte + 1, 2 * mebibyte - 1, 3 * mebibyte + 12_345]
const text = (sizeBytes: number): Buffer =>
  Buffer.from(pseudoRandom(sizeBytes, 'chunks').map((byte) => byte & 15))

test.for([
  { kind: 'compressed', make: (sizeBytes: number) => pseudoRandom(sizeBytes, 'chunks') },
  { kind: 'uncompressed', make: text },
  { kind: 'monotonous', make: (sizeBytes: number) => Buffer.alloc(sizeBytes) },
])('a file is cut where the server cuts a stream of $kind bytes', async ({ make }) => {
  const files = sizes.map((sizeBytes) => [String(sizeBytes), make(sizeBytes)] as const)
  const directory = await makeDirectory(Object.fromEntries(files))
  for (const [name, content] of files) {
    const compressed = isCompressed(content.subarray(0, limits.chunkThresholdBytes))
    const chunker = createChunker(compressed ? coarseChunkSizes : chunkSizes)
    const chunks = [...chunker.push(content), chunker.finish() ?? Buffer.alloc(0)]
    const expected = chunks.filter((chunk) => chunk.length > 0)
    const answer = chunkFile({ kind: 'chunk', path: join(directory, name) })
    expect([...answer.sizes], name).toEqual(expected.map((chunk) => chunk.length))
    const digests = Buffer.from(answer.digests).toString('hex')
    expect(digests, name).toBe(expected.map((chunk) => digestOf(chunk)).join(''))
    expect(answer).toMatchObject({
      sizeBytes: content.length,
      crc32: crc32(content),
      isCompressed: compressed,
    })
  }
})

test('a file that changes while it is cut is refused', () => {
  const before = openFiles()
  // Its stats say that it is empty.
  expect(() => chunkFile({ kind: 'chunk', path: '/proc/self/limits' })).toThrow(
    '/proc/self/limits changed during the upload: send it when nothing writes to it, or a copy',
  )
  expect(openFiles()).toBe(before)
})

test('a record of each piece is sent, and none of a piece that has changed', async () => {
  const contents = { a: 'a'.repeat(1000), b: '0123456789' }
  const directory = await makeDirectory(contents)
  const piece = (name: keyof typeof contents, offset: number, sizeBytes: number): EncodePiece => {
    const digest = digestOf(contents[name].slice(offset, offset + sizeBytes))
    const path = join(directory, name)
    return { path, offset, sizeBytes, digest, level: 5, isFirstPart: false }
  }
  const pieces = [
    { ...piece('a', 0, 1000), isFirstPart: true },
    piece('b', 2, 5),
    piece('b', 7, 3),
    { ...piece('a', 1, 99), level: 0 },
  ]
  const before = openFiles()
  const { records } = encodePieces({ kind: 'encode', pieces })
  expect(openFiles()).toBe(before)
  const reader = createByteReader(records)
  for (const { path, offset, sizeBytes, isFirstPart } of pieces) {
    expect(reader.byte()).toBe(isFirstPart ? recordKind.firstPart : recordKind.blob)
    expect(reader.varint()).toBe(sizeBytes)
    const content = decodeCopy('joining', reader.raw(reader.varint()), sizeBytes)
    expect(content).toEqual((await readFile(path)).subarray(offset, offset + sizeBytes))
  }
  expect(reader.atEnd()).toBe(true)
  const { path } = pieces[0]!
  for (const changed of ['b'.repeat(1000), 'a'.repeat(999), '']) {
    await writeFile(path, changed)
    expect(() => encodePieces({ kind: 'encode', pieces })).toThrow(
      `${path} changed during the upload`,
    )
  }
  await rm(path)
  expect(() => encodePieces({ kind: 'encode', pieces })).toThrow(
    `${path} disappeared during the upload`,
  )
  expect(openFiles()).toBe(before)
})
