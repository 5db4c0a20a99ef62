/** Large files with more parts than can be listed. */
import { expect, test } from 'vitest'
import { largeUnits } from '../../src/client/upload/large-units.ts'
import { listBytesMax } from '../../src/core/bytes/blob-exchange.ts'

test('a file with more parts than a list can hold is rejected by name, before any request', async () => {
  const parts = listBytesMax / 32 - 1
  const cut = {
    stats: {},
    sizeBytes: parts * 600_000,
    crc32: 0,
    sizes: new Uint32Array(parts),
    digests: Buffer.alloc(32 * parts),
    isCompressed: false,
  }
  const cutting = {
    session: { signal: new AbortController().signal },
    pool: { threads: 1, run: async () => cut },
    tree: {
      source: { sourceOf: () => 'disk.img' },
      looksAsHashed: () => true,
      sizeBytes: () => cut.sizeBytes,
    },
  } as unknown as Parameters<typeof largeUnits>[0]
  await expect(
    largeUnits(cutting, [0], () => {})
      [Symbol.asyncIterator]()
      .next(),
  ).rejects.toThrow(`disk.img is too large: it has ${parts} parts, and the limit is ${parts - 1}`)
})
