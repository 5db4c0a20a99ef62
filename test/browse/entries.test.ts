import { setImmediate as nextLoop } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { countSubtree, findSubtree, walkSubtree } from '../../src/browse/entries.ts'
import { limits } from '../../src/core/limits.ts'
import { createMemoryReader, directoryEntry, fileEntry } from './memory-reader.ts'

describe('a subtree', () => {
  test('is the entry itself and everything below it, in order, across pages', async () => {
    const entries = Array.from({ length: 1300 }, (_, index) =>
      fileEntry(`d/${String(index).padStart(4, '0')}`, 'x'),
    )
    const others = [fileEntry('c', 'x'), fileEntry('d-', 'x'), fileEntry('e', 'x')]
    const reader = createMemoryReader([...entries, ...others, directoryEntry('d')])
    const tree = { id: 1, name: 'tree', entryCount: entries.length + others.length + 1 }
    const found: string[] = []
    const subtree = await findSubtree(reader, tree, 'd')
    for await (const { entry } of walkSubtree(reader, 1, subtree)) found.push(entry.path)
    expect(found).toEqual(['d', ...entries.map((entry) => entry.path)])
    expect(countSubtree(subtree)).toBe(found.length)
    expect(countSubtree(await findSubtree(reader, tree, 'd/0511'))).toBe(1)
    expect(countSubtree(await findSubtree(reader, tree, ''))).toBe(tree.entryCount)
    for (const path of ['d-/x', 'z'])
      await expect(findSubtree(reader, tree, path)).rejects.toMatchObject({ code: 'not_found' })
  })

  test('without an entry of its own is found with two pages, and its first entry with a third', async () => {
    const entries = Array.from({ length: 2000 }, (_, index) => fileEntry(`${index}/x`, 'x'))
    const reader = createMemoryReader(entries)
    let pages = 0
    const counting = {
      ...reader,
      readEntryPage: async (id: number, number: number) => {
        pages += 1
        return await reader.readEntryPage(id, number)
      },
    }
    const tree = { id: 1, name: 'tree', entryCount: entries.length }
    const subtree = await findSubtree(counting, tree, '1500')
    const walk = walkSubtree(counting, 1, subtree)
    expect((await walk.next()).value?.entry.path).toBe('1500/x')
    await walk.return()
    expect(pages).toBe(3)
  })

  test('of long paths counts as a heavy walk, of which few run at a time', async () => {
    const entries = Array.from({ length: 400 }, (_, index) =>
      fileEntry(`d/${'x'.repeat(1000)}${index}`, 'x'),
    )
    const reader = createMemoryReader(entries)
    let begun = 0
    const tree = { id: 1, name: 'tree', entryCount: entries.length }
    const subtree = await findSubtree(reader, tree, 'd')
    const walks = Array.from({ length: limits.heavyWalksMax + 1 }, () =>
      walkSubtree(reader, 1, subtree),
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
