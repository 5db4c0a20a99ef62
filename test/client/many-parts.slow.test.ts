import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createChunker } from '../../src/core/bytes/chunker.ts'
import { chunkSizes } from '../../src/core/bytes/cut-points.ts'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { chunkFile } from '../../src/client/files/encode-pieces.ts'
import { makeDirectory, pseudoRandom } from './tree.ts'

const mebibyte = 1024 * 1024
const text = (sizeBytes: number): Buffer =>
  Buffer.from(pseudoRandom(sizeBytes, 'chunks').map((byte) => byte & 15))

test('all parts of a file are found when they are many', async () => {
  const content = Buffer.concat(Array.from({ length: 20 }, () => text(3 * mebibyte)))
  const chunker = createChunker(chunkSizes)
  const chunks = [...chunker.push(content), chunker.finish()!]
  const directory = await makeDirectory({ many: content })
  const { digests } = chunkFile({ kind: 'chunk', path: join(directory, 'many') })
  expect(chunks.length).toBeGreaterThan(1024)
  expect(Buffer.from(digests).toString('hex')).toBe(chunks.map(digestOf).join(''))
})
