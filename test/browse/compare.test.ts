import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compareEntries, type Difference } from '../../src/browse/compare.ts'
import type { Entry, EntryPath } from '../../src/core/entry.ts'
import type { StoredEntry } from '../../src/metadata/metadata.ts'
import { createMemoryReader, directoryEntry, fileEntry } from './memory-reader.ts'

async function check(base: StoredEntry[], head: StoredEntry[]): Promise<string[]> {
  const { differences } = await compareEntries(createMemoryReader(base, head), 1, 2)
  return differences.map(describeDifference)
}

function describeDifference({ kind, before, after }: Difference): string {
  if (kind === 'moved') return `moved ${before.entry.path} > ${after.entry.path}`
  return `${kind} ${(after ?? before)?.entry.path}`
}

describe('a comparison', () => {
  test('tells added, removed, changed and mode-only apart', async () => {
    const base = [
      fileEntry('same', '1'),
      fileEntry('gone', '2'),
      fileEntry('edited', '3'),
      fileEntry('tool', '4'),
    ]
    const head = [
      fileEntry('same', '1'),
      fileEntry('new', '5'),
      fileEntry('edited', '6'),
      fileEntry('tool', '4', 0o755),
    ]
    expect(await check(base, head)).toEqual([
      'changed edited',
      'removed gone',
      'added new',
      'mode tool',
    ])
  })

  test('a path that becomes another kind has changed', async () => {
    expect(await check([fileEntry('x', '1')], [directoryEntry('x')])).toEqual(['changed x'])
    const link = (target: string): StoredEntry => ({
      kind: 'symlink',
      path: 'l' as EntryPath,
      mode: 0o777,
      target,
    })
    expect(await check([link('a')], [link('b')])).toEqual(['changed l'])
  })

  test('the same content under another path has moved, once for each pair', async () => {
    const base = [fileEntry('a', 'one'), fileEntry('b', 'one'), fileEntry('c', 'two')]
    const head = [fileEntry('x', 'one'), fileEntry('z', 'three')]
    expect(await check(base, head)).toEqual(['removed b', 'removed c', 'moved a > x', 'added z'])
  })

  test('a copy of a file that stays is added, not moved', async () => {
    expect(
      await check([fileEntry('a', 'one')], [fileEntry('a', 'one'), fileEntry('b', 'one')]),
    ).toEqual(['added b'])
  })

  test('empty files are never taken for moved', async () => {
    expect(await check([fileEntry('a', '')], [fileEntry('b', '')])).toEqual([
      'removed a',
      'added b',
    ])
  })

  test('totals account for every entry of both sides, and applying the differences to base gives head', async () => {
    const entries = fc
      .uniqueArray(
        fc.tuple(
          fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'),
          fc.constantFrom('', '1', '2', '3'),
          fc.constantFrom(0o644, 0o755),
        ),
        {
          selector: ([path]) => path,
        },
      )
      .map((specs) => specs.map(([path, content, mode]) => fileEntry(path, content, mode)))
    await fc.assert(
      fc.asyncProperty(entries, entries, async (base, head) => {
        const { differences, totals, complete } = await compareEntries(
          createMemoryReader(base, head),
          1,
          2,
        )
        expect(complete).toBe(true)
        const common = totals.unchanged + totals.changed + totals.mode + totals.moved
        expect(common + totals.removed).toBe(base.length)
        expect(common + totals.added).toBe(head.length)
        const rebuilt = new Map<string, Entry>(base.map((entry) => [entry.path, entry]))
        for (const { before } of differences) if (before !== null) rebuilt.delete(before.entry.path)
        for (const { after } of differences)
          if (after !== null) rebuilt.set(after.entry.path, after.entry)
        expect([...rebuilt.values()].toSorted((a, b) => (a.path < b.path ? -1 : 1))).toEqual(
          head.toSorted((a, b) => (a.path < b.path ? -1 : 1)),
        )
      }),
    )
  })

  test('manifests of several pages are compared to their ends', async () => {
    const many = (suffix: string) =>
      Array.from({ length: 1300 }, (_, index) =>
        fileEntry(`f${String(index).padStart(4, '0')}`, `${index}${suffix}`),
      )
    const { totals } = await compareEntries(createMemoryReader(many(''), many('+')), 1, 2)
    expect(totals).toMatchObject({ changed: 1300, unchanged: 0, added: 0, removed: 0 })
  })
})
