import { expect, test } from 'vitest'
import { nextTurn } from '../../src/core/turn.ts'

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
