/** The processor time of comparisons in which very many files were moved. */
import { expect, test } from 'vitest'
import { compareEntries } from '../../src/browse/compare.ts'
import { limits } from '../../src/core/limits.ts'
import type { ComparedEntry, ComparedStretch } from '../../src/metadata/metadata.ts'
import { fileEntry } from './memory-reader.ts'

test('moving very many copies of one file takes about as long as moving distinct files', async () => {
  const count = limits.compareDifferencesMax / 2
  const timeOf = async (contentOf: (index: number) => string): Promise<number> => {
    const side = (directory: string): ComparedEntry[] =>
      Array.from({ length: count }, (_, index) => ({
        entry: fileEntry(`${directory}/${index}`, contentOf(index)),
        modifiedAt: null,
      }))
    const gone = side('a').map((before) => ({ before, after: null }))
    const added = side('b').map((after) => ({ before: null, after }))
    const differing = [...gone, ...added]
    const readDifferences = async (): Promise<ComparedStretch> =>
      await Promise.resolve({ differing, unchanged: 0, next: null })
    // The best of three processor times, since other work runs on the machine.
    const times: number[] = []
    for (let round = 0; round < 3; round += 1) {
      const began = process.cpuUsage()
      const reader = { readDifferences }
      const { totals } = await compareEntries([reader, 1, 2], (comparison) => comparison)
      times.push(process.cpuUsage(began).user / 1000)
      expect(totals.moved).toBe(count)
    }
    return Math.min(...times)
  }
  const apart = await timeOf(String)
  // Measured: a fifth of it. Matching with an array's shift() takes five times as long.
  expect(await timeOf(() => 'one')).toBeLessThan(2 * apart)
})
