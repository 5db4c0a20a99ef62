/** Copies that are read together: one that cannot be read loses no other. */
import { expect, test } from 'vitest'
import { blobDamaged, notFound, storeError } from '../../src/core/errors.ts'
import { readNeighbours } from '../../src/packs/read-neighbours.ts'

const pack = Buffer.from('0123456789')
const places = [
  { offset: 1, lengthBytes: 2 },
  { offset: 4, lengthBytes: 1 },
  { offset: 6, lengthBytes: 3 },
]

/** Reads `places` of a pack in which reads of the bytes at `badAt` fail; counts the reads. */
async function readAround(
  badAt: number[],
  error: Error = blobDamaged('bad sector'),
): Promise<{ found: (string | undefined)[]; reads: number }> {
  let reads = 0
  const store = {
    read: async (_name: string, offset: number, lengthBytes: number) => {
      reads += 1
      if (badAt.some((at) => at >= offset && at < offset + lengthBytes)) throw error
      return pack.subarray(offset, offset + lengthBytes)
    },
  }
  const found = await readNeighbours(store, 'pack', places)
  return { found: found.map((bytes) => bytes?.toString()), reads }
}

test.each([
  ['all of them, by one read', [], ['12', '4', '678'], 1],
  ['all of them, around bad bytes of none', [3], ['12', '4', '678'], 4],
  ['all but a bad one', [4], ['12', undefined, '678'], 4],
  ['none of a lost pack', [...pack.keys()], [undefined, undefined, undefined], 4],
])('neighbours are read: %s', async (_, badAt, found, reads) => {
  expect(await readAround(badAt)).toEqual({ found, reads })
})

test('an outage is not damage, and a pack that is not found is lost', async () => {
  const outage = storeError('busy', 'does not respond', { what: 'pack storage' })
  await expect(readAround([4], outage)).rejects.toBe(outage)
  expect((await readAround([4], notFound('pack', 'gone'))).found).toEqual(['12', undefined, '678'])
})
