import { expect, test } from 'vitest'
import { createHashColumns } from '../../src/client/upload/hash-columns.ts'

/** Results that tell one file from another. */
function resultsOf(ordinals: readonly number[]) {
  return {
    stats: Float64Array.from(
      ordinals.flatMap((ordinal) => [1, 2, 3, 4, 5].map((each) => ordinal + each / 8)),
    ),
    digests: Buffer.concat(ordinals.map((ordinal) => Buffer.alloc(32, ordinal % 251))),
    settled: Uint8Array.from(ordinals, (ordinal) => ordinal % 2),
  }
}

test('the results of files stay while others arrive in any order, however many there are', () => {
  const columns = createHashColumns()
  const batches = [[0, 1, 5], [1023], [7, 1024, 1025], [2, 9001], [1600, 9000]]
  for (const batch of batches) columns.fill(batch, resultsOf(batch))
  for (const ordinal of batches.flat()) {
    const { stats, digests, settled } = resultsOf([ordinal])
    expect(columns.stats.subarray(ordinal * 5, ordinal * 5 + 5), String(ordinal)).toEqual(stats)
    expect(columns.digests.subarray(ordinal * 32, ordinal * 32 + 32)).toEqual(digests)
    expect(columns.settled[ordinal]).toBe(settled[0])
  }
  expect(columns.settled[3]).toBe(0)
})
