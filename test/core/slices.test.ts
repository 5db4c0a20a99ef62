import fc from 'fast-check'
import { expect, test } from 'vitest'
import { batchesOf, groupsOf, pagesOf, slicesOf } from '../../src/core/slices.ts'

const size = fc.integer({ min: 1, max: 10 })
const items = fc.array(fc.nat(20), { maxLength: 40 })
const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0)

test('slices and pages are full, except the last, and none is empty', () => {
  fc.assert(
    fc.property(items, size, (list, most) => {
      const slices = [...slicesOf(list, most)]
      expect(slices.flat()).toEqual(list)
      const pages = [...pagesOf(list.length, most)]
      let at = 0
      for (const [index, slice] of slices.entries()) {
        const isLast = index === slices.length - 1
        expect(slice.length).toBe(isLast ? list.length - at : most)
        expect(pages[index]).toEqual({ at, lengthBytes: slice.length })
        at += slice.length
      }
      expect(pages).toHaveLength(slices.length)
      expect(slices).not.toContainEqual([])
    }),
  )
})

test('a batch ends with the item that fills it, and only the last is not full', () => {
  fc.assert(
    fc.property(items, size, size, (list, count, bytes) => {
      const isFull = (batch: readonly number[]): boolean =>
        batch.length >= count || sum(batch) >= bytes
      const batches = [...batchesOf(list, (item) => item, { count, bytes })]
      expect(batches.flat()).toEqual(list)
      expect(batches).not.toContainEqual([])
      expect(batches.slice(0, -1).every(isFull)).toBe(true)
      expect(batches.some((batch) => isFull(batch.slice(0, -1)))).toBe(false)
    }),
  )
})

test('a group holds all items in a row that fit it', () => {
  fc.assert(
    fc.property(items, size, (list, most) => {
      const fits = (group: readonly number[], item: number): boolean => sum(group) + item <= most
      const groups = [...groupsOf(list, fits)]
      expect(groups.flat()).toEqual(list)
      for (const [index, group] of groups.entries()) {
        for (const [at, item] of group.entries())
          if (at > 0) expect(fits(group.slice(0, at), item)).toBe(true)
        if (index > 0) expect(fits(groups[index - 1]!, group[0])).toBe(false)
      }
    }),
  )
})
