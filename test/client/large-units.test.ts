/** Large files that cannot be sent, because they have too many parts or have changed. */
import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { HashedTree } from '../../src/client/upload/hashed-tree.ts'
import { largeUnits, refusedCommit } from '../../src/client/upload/large-units.ts'
import { listBytesMax } from '../../src/core/bytes/blob-exchange.ts'
import { digestFromBytes, digestOf } from '../../src/core/bytes/digest.ts'
import { storeError } from '../../src/core/errors.ts'

/** One more cannot be listed. */
const partsMax = listBytesMax / 32 - 2
const hash = Buffer.alloc(32, 7)

interface Case {
  parts: number
  /** Whether its stats are those that it had when it was hashed. */
  looksAsHashed?: boolean
  /** What hashing it again yields. */
  hashedAgain?: Buffer
}

/** Cuts a file; fails with `sent` when its parts are offered. What the pool did is added to
 *  `done`. */
async function cut(
  { parts, looksAsHashed = true, hashedAgain }: Case,
  done: string[] = [],
): Promise<void> {
  const cutting = {
    session: {
      signal: new AbortController().signal,
      onSent: () => {
        throw new Error('sent')
      },
    },
    pool: {
      threads: 1,
      run: async ({ kind }: { kind: string }) => {
        done.push(kind)
        if (kind === 'hash') return { digests: hashedAgain }
        const digests = Buffer.alloc(32 * parts)
        return {
          stats: {},
          sizeBytes: parts,
          crc32: 0,
          sizes: new Uint32Array(parts),
          digests,
          isCompressed: false,
        }
      },
    },
    tree: {
      source: { sourceOf: () => 'disk.img' },
      looksAsHashed: () => looksAsHashed,
      digest: () => digestFromBytes(hash),
      digestBytes: () => hash,
      sizeBytes: () => parts,
    },
  } as unknown as Parameters<typeof largeUnits>[0]
  await largeUnits(cutting, [0], () => {})
    [Symbol.asyncIterator]()
    .next()
}

test('a file with more parts than a list can hold is rejected by name, before any request', async () => {
  const parts = partsMax + 1
  const message = `disk.img is too large: it has ${parts} parts, and the limit is ${partsMax}`
  await expect(cut({ parts })).rejects.toThrow(message)
  await expect(cut({ parts: partsMax })).rejects.toThrow('sent')
})

test('a file that does not look as it did when it was hashed is hashed again, and rejected if it changed', async () => {
  const done: string[] = []
  const other = Buffer.alloc(32, 8)
  await expect(cut({ parts: 1 }, done)).rejects.toThrow('sent')
  expect(done).toEqual(['chunk'])
  const touched = { parts: 1, looksAsHashed: false, hashedAgain: Buffer.from(hash) }
  await expect(cut(touched, done)).rejects.toThrow('sent')
  expect(done).toEqual(['chunk', 'chunk', 'hash'])
  const changed = cut({ ...touched, hashedAgain: other })
  await expect(changed).rejects.toThrow('disk.img changed during the upload')
})

test('no further file is cut for an attempt that has failed', async () => {
  const over = new AbortController()
  let cuts = 0
  const cutting = {
    session: { signal: over.signal },
    pool: {
      threads: 1,
      run: async () => {
        cuts += 1
        over.abort()
        return await Promise.reject(new Error('cut'))
      },
    },
    tree: { source: { sourceOf: () => 'disk.img' }, sizeBytes: () => 1 },
  } as unknown as Parameters<typeof largeUnits>[0]
  const ordinals = Array.from({ length: 10 }, (_, ordinal) => ordinal)
  await largeUnits(cutting, ordinals, () => {})
    [Symbol.asyncIterator]()
    .next()
    .catch(() => {})
  await setImmediate()
  expect(cuts).toBe(1)
})

test('a commit that is refused because of a file is reported by its name', () => {
  const digests = ['a', 'b', 'c'].map((text) => digestOf(text))
  const tree = {
    digest: (ordinal: number) => digests[ordinal]!,
    source: {
      count: digests.length,
      // The digest of anything but a file means nothing.
      kind: (ordinal: number) => (ordinal === 1 ? 'directory' : 'file'),
      sourceOf: (ordinal: number) => `file-${ordinal}`,
    },
  } as unknown as HashedTree
  const refusal = (of: string): unknown => {
    const details = { expected: `sha256:${digestOf(of)}`, actual: digests[0]! }
    return storeError('digest_mismatch', 'refused', details as never)
  }
  expect(refusedCommit(tree, refusal('c'))).toMatchObject({ path: 'file-2' })
  const unknown = [refusal('b'), refusal('d'), new Error('another')]
  for (const error of unknown) expect(refusedCommit(tree, error)).toBe(error)
})
