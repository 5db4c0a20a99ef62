import { setImmediate as nextLoop } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { countSubtree, walkSubtree } from '../../src/browse/entries.ts'
import { limits } from '../../src/core/limits.ts'
import { createMemoryReader, directoryEntry, fileEntry } from './memory-reader.ts'

describe('a subtree', () => {
  test('is the entry itself and everything below it, in order, across pages', async () => {
    const entries = Array.from({ length: 1300 }, (_, index) =>
      fileEntry(`d/${String(index).padStart(4, '0')}`, 'x'),
    )
    const others = [fileEntry('c', 'x'), fileEntry('d-', 'x'), fileEntry('e', 'x')]
    const reader = createMemoryReader([...entries, ...others, directoryEntry('d')])
    const found: string[] = []
    for await (const { entry } of walkSubtree(reader, 1, 'd')) found.push(entry.path)
    expect(found).toEqual(['d', ...entries.map((entry) => entry.path)])
    const tree = { id: 1, entryCount: entries.length + others.length + 1 }
    expect(await countSubtree(reader, tree, 'd')).toBe(found.length)
    expect(await countSubtree(reader, tree, 'd/0511')).toBe(1)
    expect(await countSubtree(reader, tree, 'd-/x')).toBe(0)
    expect(await countSubtree(reader, tree, 'z')).toBe(0)
    expect(await countSubtree(reader, tree, '')).toBe(tree.entryCount)
  })

  test('of long paths counts as a heavy walk, of which few run at a time', async () => {
    const entries = Array.from({ length: 400 }, (_, index) =>
      fileEntry(`d/${'x'.repeat(1000)}${index}`, 'x'),
    )
    const reader = createMemoryReader(entries)
    let begun = 0
    const walks = Array.from({ length: limits.heavyWalksMax + 1 }, () =>
      walkSubtree(reader, 1, 'd'),
    )
    const steps = walks.map(async (walk) => {
      await walk.next()
      begun += 1
    })
    for (let turn = 0; turn < 100; turn++) await nextLoop()
    expect(begun).toBe(limits.heavyWalksMax)
    for (const [at, walk] of walks.entries()) {
      await steps[at]
      await walk.return()
    }
    expect(begun).toBe(walks.length)
  })
})
