import { expect, test } from 'vitest'
import { mapInTurns, nextTurn } from '../../src/core/turn.ts'
import { countingTurns } from '../loop-turns.ts'

test('the event loop looks for I/O between the turns of two callers', async () => {
  const seen: string[] = []
  let isOver = false
  const look = (): void => {
    seen.push('look')
    if (!isOver) setImmediate(look)
  }
  setImmediate(look)
  const caller = async (name: string): Promise<void> => {
    for (let turn = 0; turn < 3; turn++) {
      await nextTurn()
      seen.push(name)
    }
  }
  await Promise.all([caller('a'), caller('b'), caller('c')])
  isOver = true
  const turns = seen.filter((each) => each !== 'look')
  expect(turns).toEqual(['a', 'b', 'c', 'a', 'b', 'c', 'a', 'b', 'c'])
  const adjacent = seen.filter((each, at) => each !== 'look' && (seen[at + 1] ?? 'look') !== 'look')
  expect(adjacent).toEqual([])
})

test('a list is mapped in order, some items in each turn', async () => {
  const items = Array.from({ length: 100 }, (_, index) => index)
  const work = async (): Promise<number[]> => await mapInTurns(items, 10, (item) => item * 2)
  const { result, turns } = await countingTurns(work)
  expect(result).toEqual(items.map((item) => item * 2))
  expect(turns).toBeGreaterThanOrEqual(9)
  expect(turns).toBeLessThan(30)
})
