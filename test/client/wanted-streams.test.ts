/** Requests of a download: everything wanted, once, and no more per request than a server
 *  allows. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  requestsOf,
  streamsMaxOf,
  streamsPerRequest,
} from '../../src/client/download/wanted-streams.ts'
import { limits } from '../../src/core/limits.ts'

const sizes = fc.oneof(
  fc.integer({ min: 0, max: 1_000_000 }),
  fc.integer({ min: 0, max: 3 * streamsPerRequest * limits.chunkMinBytes }),
)
const wanted = fc.record({
  sizeBytes: sizes,
  /** Of some files only every so manieth part is wanted. */
  every: fc.option(fc.integer({ min: 1, max: 50_000 })),
})

test('a file has no more parts than the upper bound', () => {
  for (const sizeBytes of [0, 1, limits.chunkMinBytes - 1, limits.chunkMinBytes, 1_000_000])
    expect(streamsMaxOf(sizeBytes)).toBe(Math.floor(sizeBytes / limits.chunkMinBytes) + 1)
  const fine = limits.coarseAfterBytes / limits.chunkMinBytes
  expect(streamsMaxOf(limits.coarseAfterBytes)).toBe(fine + 1)
  expect(streamsMaxOf(limits.coarseAfterBytes + 10 * limits.coarseChunkMinBytes)).toBe(fine + 12)
})

test("every entry and part is requested once, in requests within the server's limits", () => {
  fc.assert(
    fc.property(
      fc.array(wanted, { maxLength: 20 }),
      fc.integer({ min: 1, max: 4 }),
      (files, connections) => {
        const partsOf = (ordinal: number): number[] => {
          const count = streamsMaxOf(files[ordinal]!.sizeBytes)
          const every = files[ordinal]!.every ?? 1
          return Array.from({ length: Math.ceil(count / every) }, (_, index) => index * every)
        }
        const parts = new Map<number, number[]>()
        for (const [ordinal, { every }] of files.entries())
          if (every !== null) parts.set(ordinal, partsOf(ordinal))
        const ordinals = [...files.keys()]
        const sizeBytes = (ordinal: number): number => files[ordinal]!.sizeBytes
        const asked = new Map<number, number[] | null>()
        for (const request of requestsOf({ ordinals, parts }, sizeBytes, connections)) {
          let streams = 0
          for (const want of request()) {
            streams += want.parts?.length ?? streamsMaxOf(sizeBytes(want.ordinal))
            const before = asked.get(want.ordinal)
            if (want.parts === null) expect(before).toBeUndefined()
            asked.set(want.ordinal, want.parts && [...(before ?? []), ...want.parts])
          }
          expect(streams).toBeLessThanOrEqual(streamsPerRequest)
          expect(streams).toBeGreaterThan(0)
        }
        expect([...asked.keys()].toSorted((a, b) => a - b)).toEqual(ordinals)
        for (const [ordinal, own] of asked) {
          const all = partsOf(ordinal)
          const isWhole = own === null && files[ordinal]!.every === null
          if (!isWhole) expect(own).toEqual(all)
        }
      },
    ),
    { numRuns: 12 },
  )
})
