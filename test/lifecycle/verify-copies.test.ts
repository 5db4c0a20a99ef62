/** Which copies of a pack are found bad, and why, for copies that are read together and for one
 *  that is too large for that. */
import { expect, test } from 'vitest'
import { joiningEnd } from '../../src/core/bytes/copy.ts'
import { crc32 } from '../../src/core/bytes/crc32.ts'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { blobDamaged, storeError } from '../../src/core/errors.ts'
import { limits } from '../../src/core/limits.ts'
import { verifyCopies } from '../../src/lifecycle/scrub/verify-copies.ts'
import type { PackedCopy } from '../../src/metadata/metadata.ts'
import { encodeJoiningSync } from '../../src/packs/codec/codec.ts'
import { checksOf } from '../../src/packs/format/page-checks.ts'

interface Pack {
  bytes: Buffer
  copies: PackedCopy[]
}

/** Copies with gaps of other bytes between them, as compaction and removals leave them. */
function packOf(contents: { content: Buffer; codec: 'joining' | 'stored'; gap: number }[]): Pack {
  const pieces: Buffer[] = []
  let offset = 0
  const put = (piece: Buffer): void => {
    pieces.push(piece)
    offset += piece.length
  }
  const copies = contents.map(({ content, codec, gap }, streamId): PackedCopy => {
    put(Buffer.alloc(gap, 0xee))
    const stream = codec === 'joining' ? encodeJoiningSync(content, 6) : content
    const blob = { digest: digestOf(content), sizeBytes: content.length, crc32: crc32(content) }
    const place = { offset, lengthBytes: stream.length }
    put(stream)
    if (codec === 'joining') put(joiningEnd)
    const names = { streamDigest: digestOf(stream), checks: checksOf(stream) }
    return { streamId, damaged: false, blob, codec, ...place, ...names }
  })
  return { bytes: Buffer.concat(pieces), copies }
}

/** Verifies the copies; `badAt` is a byte that cannot be read, because of `failure`. */
async function faultsOf(
  { bytes, copies }: Pack,
  badAt?: number,
  failure: Error = blobDamaged('bad sector'),
): Promise<{ faults: (string | null)[]; isEnded: boolean[]; reads: number }> {
  let reads = 0
  const read = async (_name: string, offset: number, lengthBytes: number): Promise<Buffer> => {
    reads += 1
    const isBad = badAt !== undefined && offset <= badAt && badAt < offset + lengthBytes
    if (isBad) throw failure
    expect(lengthBytes).toBeLessThanOrEqual(limits.scrubReadBytes)
    return bytes.subarray(offset, offset + lengthBytes)
  }
  const faults: (string | null)[] = []
  const isEnded: boolean[] = []
  const options = { packs: { read }, packName: 'p', pace: async () => {} }
  for await (const each of verifyCopies(copies, options)) {
    expect(each.copy).toBe(copies[faults.length])
    faults.push(each.fault)
    isEnded.push(each.isEnded)
  }
  return { faults, isEnded, reads }
}

const small = (text: string): Buffer => Buffer.from(text.repeat(50))
const large = Buffer.alloc(limits.scrubReadBytes + 1, 'large ')
const together = packOf([
  { content: small('a'), codec: 'joining', gap: 0 },
  { content: small('b'), codec: 'stored', gap: 100 },
  { content: small('c'), codec: 'joining', gap: 0 },
])
const alone = packOf([{ content: large, codec: 'stored', gap: 0 }])
const soundOf = ({ copies }: Pack): (string | null)[] => copies.map(() => null)

test('sound copies have no fault, and neighbours are read together', async () => {
  const mixed = packOf([
    { content: small('a'), codec: 'joining', gap: 0 },
    { content: small('b'), codec: 'stored', gap: 100 },
    { content: small('c'), codec: 'joining', gap: limits.readGapBytes + 1 },
    { content: large, codec: 'stored', gap: 0 },
    { content: small('d'), codec: 'joining', gap: 0 },
  ])
  const { faults, isEnded, reads } = await faultsOf(mixed)
  expect(faults).toEqual(soundOf(mixed))
  expect(isEnded).toEqual(faults.map(() => true))
  // The first two, the third, the last, and the large one in pages.
  expect(reads).toBe(3 + Math.ceil(large.length / limits.checkPageBytes))
})

test.each<[string, (copy: PackedCopy) => Partial<PackedCopy>, RegExp]>([
  ['stream digest', () => ({ streamDigest: digestOf(Buffer.from('x')) }), /bytes have changed/],
  ['checks', ({ checks }) => ({ checks: Buffer.alloc(checks.length) }), /checksums do not match/],
  [
    'digest',
    ({ blob }) => ({ blob: { ...blob, digest: digestOf(Buffer.from('x')) } }),
    /different content/,
  ],
  ['CRC-32', ({ blob }) => ({ blob: { ...blob, crc32: blob.crc32 ^ 1 } }), /different content/],
  ['size', ({ blob }) => ({ blob: { ...blob, sizeBytes: blob.sizeBytes - 1 } }), /wrong length/],
])('a copy with another %s than announced is bad, and no other', async (_what, change, fault) => {
  for (const pack of [together, alone]) {
    for (const [index, copy] of pack.copies.entries()) {
      const copies = pack.copies.with(index, { ...copy, ...change(copy) })
      const { faults } = await faultsOf({ ...pack, copies })
      expect(faults).toEqual(soundOf(pack).with(index, expect.stringMatching(fault)))
    }
  }
})

test('a place that the medium cannot read spoils the copy there, and no other', async () => {
  for (const pack of [together, alone]) {
    for (const [index, { offset, lengthBytes }] of pack.copies.entries()) {
      const { faults } = await faultsOf(pack, offset + lengthBytes - 1)
      expect(faults).toEqual(soundOf(pack).with(index, 'it cannot be read'))
    }
  }
})

test('a pack that cannot be read for another reason is not judged', async () => {
  const failure = storeError('storage_failed', 'access denied', { reason: 'EACCES' })
  for (const pack of [together, alone])
    await expect(faultsOf(pack, 10, failure)).rejects.toBe(failure)
})

test('neighbours are read together only as far as they fit into one read', async () => {
  const content = Buffer.alloc(0.7 * limits.scrubReadBytes)
  const pack = packOf([1, 2].map(() => ({ content, codec: 'stored', gap: 0 })))
  expect(await faultsOf(pack)).toMatchObject({ faults: [null, null], reads: 2 })
})

test('a joining stream without a final block is sound, and reported as not ended', async () => {
  const { offset, lengthBytes } = together.copies[0]!
  const bytes = Buffer.from(together.bytes)
  bytes.fill(0xee, offset + lengthBytes, offset + lengthBytes + joiningEnd.length)
  const { faults, isEnded } = await faultsOf({ ...together, bytes })
  expect(faults).toEqual(soundOf(together))
  expect(isEnded).toEqual([false, true, true])
})
