/** Requests of a download: everything wanted, once, and no more per request than a server
 *  allows. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  partRange,
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

test.each([
  { files: 5000, partsEach: 1, connections: 1, perRequest: [2048, 2048, 904] },
  { files: 10, partsEach: 1, connections: 4, perRequest: [3, 3, 3, 1] },
  { files: 5, partsEach: 40_000, connections: 1, perRequest: [2, 2, 1] },
  { files: 5, partsEach: 50_000, connections: 1, perRequest: [2, 2, 1] },
  { files: 5, partsEach: 50_001, connections: 1, perRequest: [1, 1, 1, 1, 1] },
  { files: 1, partsEach: 200_000, connections: 1, perRequest: [1, 1] },
  { files: 1, partsEach: 200_001, connections: 1, perRequest: [1, 1, 1] },
])('requests are filled up to the limits and spread over connections: %o', (given) => {
  const ordinals = partRange(0, given.files)
  const own = partRange(0, given.partsEach)
  const parts = new Map(ordinals.map((ordinal) => [ordinal, own]))
  const requests = [...requestsOf({ ordinals, parts }, () => 0, given.connections)]
  const wants = requests.map((request) => request())
  expect(wants.map(({ length }) => length)).toEqual(given.perRequest)
  const asked = wants.flat().reduce((sum, want) => sum + want.parts!.length, 0)
  expect(asked).toBe(given.files * given.partsEach)
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
