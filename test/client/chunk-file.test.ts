import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createChunker, isCompressed } from '../../src/core/bytes/chunker.ts'
import { chunkSizes, coarseChunkSizes } from '../../src/core/bytes/cut-points.ts'
import { crc32 } from '../../src/core/bytes/crc32.ts'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { limits } from '../../src/core/limits.ts'
import { chunkFile } from '../../src/client/files/encode-pieces.ts'
import { makeDirectory, pseudoRandom } from './tree.ts'

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
