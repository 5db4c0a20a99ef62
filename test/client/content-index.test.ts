import fc from 'fast-check'
import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { createContentIndex } from '../../src/client/content-index.ts'

const digestOf = (content: number): Buffer => createHash('sha256').update(`${content}`).digest()

test('finds the first file of each content, like a map', () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 40 }), { maxLength: 200 }), (contents) => {
      const digests = contents.map(digestOf)
      const firstLike = createContentIndex(digests.length, (ordinal) => digests[ordinal]!)
      const firsts = new Map<number, number>()
      for (const [ordinal, content] of contents.entries()) {
        if (!firsts.has(content)) firsts.set(content, ordinal)
        expect(firstLike(ordinal)).toBe(firsts.get(content))
      }
    }),
  )
})

test('distinguishes contents whose digests begin alike, even in a full table', () => {
  const digests = Array.from({ length: 16 }, (_, index) => Buffer.alloc(32).fill(index, 31))
  const firstLike = createContentIndex(digests.length, (ordinal) => digests[ordinal]!)
  for (const turn of [0, 1]) {
    const found = digests.map((_, ordinal) => firstLike(ordinal))
    expect({ turn, found }).toEqual({ turn, found: [...digests.keys()] })
  }
})
