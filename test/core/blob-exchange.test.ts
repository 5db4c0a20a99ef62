import fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeWants, readWants, type Want } from '../../src/core/bytes/blob-exchange.ts'
import { limits } from '../../src/core/limits.ts'
import { countingTurns } from '../loop-turns.ts'

const ascending = fc
  .uniqueArray(fc.nat(1_000_000), { maxLength: 50 })
  .map((numbers) => numbers.toSorted((a, b) => a - b))

async function decodeWants(bytes: Uint8Array): Promise<Want[]> {
  const wants: Want[] = []
  for await (const { ordinal, parts } of readWants(bytes)) wants.push({ ordinal, parts })
  return wants
}

test('wants survive a round trip, from any of them on', async () => {
  await fc.assert(
    fc.asyncProperty(
      ascending,
      fc.array(fc.option(ascending), { maxLength: 50 }),
      async (ordinals, parts) => {
        const wants = ordinals.map((ordinal, at) => ({ ordinal, parts: parts[at] ?? null }))
        const bytes = encodeWants(wants)
        expect(await decodeWants(bytes)).toEqual(wants)
        let index = 0
        for await (const { at, next, ...want } of readWants(bytes)) {
          expect((await readWants(bytes, at).next()).value).toEqual({ ...want, at, next })
          const rest = await readWants(bytes, next).next()
          expect(rest.value?.ordinal).toBe(wants[++index]?.ordinal)
        }
      },
    ),
  )
})

test('a request that names too many files and parts is rejected, and one at the limit is accepted', async () => {
  const details = expect.objectContaining({ limitValue: limits.fetchedStreamsMax }) as unknown
  const refused = expect.objectContaining({ code: 'too_large', details }) as Error
  const files = (count: number): Buffer =>
    encodeWants(Array.from({ length: count }, (_, ordinal) => ({ ordinal, parts: null })))
  expect(await decodeWants(files(limits.fetchedStreamsMax))).toHaveLength(limits.fetchedStreamsMax)
  await expect(decodeWants(files(limits.fetchedStreamsMax + 1))).rejects.toThrow(refused)
  const partsOf = (count: number): Buffer =>
    encodeWants([{ ordinal: 0, parts: Array.from({ length: count }, (_, part) => part) }])
  expect(await decodeWants(partsOf(limits.fetchedStreamsMax - 1))).toHaveLength(1)
  await expect(decodeWants(partsOf(limits.fetchedStreamsMax))).rejects.toThrow(refused)
})

test('a long list is decoded in turns of the event loop', async () => {
  const parts = (count: number): number[] => Array.from({ length: count }, (_, part) => part)
  const files = Array.from({ length: 150_000 }, (_, ordinal) => ({ ordinal, parts: null }))
  const lists = [
    files,
    [{ ordinal: 0, parts: parts(150_000) }],
    Array.from({ length: 30 }, (_, ordinal) => ({ ordinal, parts: parts(5000) })),
  ]
  for (const list of lists) {
    const { turns } = await countingTurns(async () => await decodeWants(encodeWants(list)))
    expect(turns).toBeGreaterThan(10)
  }
})
