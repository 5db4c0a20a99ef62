/** What of the missing files is sent, and how. */
import { expect, test } from 'vitest'
import type { HashedTree } from '../../src/client/upload/hashed-tree.ts'
import { type CutFile, planLarge, splitMissing } from '../../src/client/upload/upload-plan.ts'
import { fileEndRecord } from '../../src/core/bytes/blob-exchange.ts'
import { type Digest, digestOf, digestToBytes } from '../../src/core/bytes/digest.ts'
import { limits } from '../../src/core/limits.ts'

const [a, b, c] = ['a', 'b', 'c'].map((text) => digestOf(text)) as [Digest, Digest, Digest]
const tree = { source: { sourceOf: (ordinal: number) => `file-${ordinal}` } } as HashedTree

function cutFile(ordinal: number, parts: Digest[], isCompressed = false): CutFile {
  const sizes = Uint32Array.from(parts, (_, index) => 10 ** index)
  const sizeBytes = sizes.reduce((sum, size) => sum + size, 0)
  const composite = { digest: digestOf(`${ordinal}`), sizeBytes, crc32: 0, parts }
  return { ordinal, composite, sizes, isCompressed }
}

test('parts that files share are sent once, and only a file that is sent whole is marked as such', () => {
  const how = { isMissing: () => true, sent: new Set<Digest>(), level: 5 }
  const whole = planLarge(tree, cutFile(1, [a, b]), how)
  expect(whole.tasks.flat()).toEqual([
    { path: 'file-1', offset: 0, sizeBytes: 1, digest: a, level: 5, isFirstPart: true },
    { path: 'file-1', offset: 1, sizeBytes: 10, digest: b, level: 5, isFirstPart: false },
  ])
  expect(whole).toMatchObject({ end: fileEndRecord, contentBytes: 11 })
  const rest = planLarge(tree, cutFile(2, [b, a, c, c], true), how)
  expect(rest.tasks.flat()).toEqual([
    { path: 'file-2', offset: 11, sizeBytes: 100, digest: c, level: 0, isFirstPart: false },
  ])
  expect(rest).toMatchObject({ end: null, contentBytes: 100 })
})

test('a part that the server has is not sent, and the file is not sent whole', () => {
  const how = { isMissing: (part: number) => part === 0, sent: new Set<Digest>(), level: 5 }
  const { tasks, end } = planLarge(tree, cutFile(1, [a, b]), how)
  expect(tasks.flat()).toMatchObject([{ digest: a, isFirstPart: false }])
  expect(end).toBeNull()
})

test('equal files are sent once, and cut only if they are large', () => {
  const files = [a, b, a, c, b]
  const missing = {
    digestBytes: (ordinal: number) => digestToBytes(files[ordinal]!),
    sizeBytes: (ordinal: number) => limits.chunkThresholdBytes - (files[ordinal] === b ? 0 : 1),
  } as HashedTree
  expect(splitMissing(missing, [0, 1, 2, 3, 4])).toEqual({ small: [0, 3], large: [1] })
})
