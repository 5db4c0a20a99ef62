import { setImmediate as nextLoop } from 'node:timers/promises'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Comparison, compareEntries } from '../../src/browse/compare.ts'
import type { Difference } from '../../src/browse/difference.ts'
import type { Entry, EntryPath } from '../../src/core/manifest/entry.ts'
import { limits } from '../../src/core/limits.ts'
import type { ComparedStretch, Metadata, StoredEntry } from '../../src/metadata/metadata.ts'
import { createMemoryReader, directoryEntry, fileEntry } from './memory-reader.ts'
import { countingTurns } from '../loop-turns.ts'

async function check(base: StoredEntry[], head: StoredEntry[]): Promise<string[]> {
  const { differences } = await compareWhole(createMemoryReader(base, head))
  return differences.map(describeDifference)
}

async function compareWhole(reader: Pick<Metadata, 'readDifferences'>): Promise<Comparison> {
  return await compareEntries([reader, 1, 2], (comparison) => comparison)
}

function describeDifference({ kind, before, after }: Difference): string {
  if (kind === 'moved') return `moved ${before.entry.path} > ${after.entry.path}`
  return `${kind} ${(after ?? before)?.entry.path}`
}

describe('a comparison', () => {
  test('distinguishes added, removed, changed and mode-only', async () => {
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

  test('a path that becomes another kind of entry counts as changed', async () => {
    expect(await check([fileEntry('x', '1')], [directoryEntry('x')])).toEqual(['changed x'])
    const link = (target: string): StoredEntry => ({
      kind: 'symlink',
      path: 'l' as EntryPath,
      mode: 0o777,
      target,
    })
    expect(await check([link('a')], [link('b')])).toEqual(['changed l'])
  })

  test('equal content under another path counts as moved, once per pair', async () => {
    const base = [fileEntry('a', 'one'), fileEntry('b', 'one'), fileEntry('c', 'two')]
    const head = [fileEntry('x', 'one'), fileEntry('z', 'three')]
    expect(await check(base, head)).toEqual(['removed b', 'removed c', 'moved a > x', 'added z'])
  })

  test('a copy of a file that stays counts as added, not moved', async () => {
    expect(
      await check([fileEntry('a', 'one')], [fileEntry('a', 'one'), fileEntry('b', 'one')]),
    ).toEqual(['added b'])
  })

  test('empty files never count as moved', async () => {
    expect(await check([fileEntry('a', '')], [fileEntry('b', '')])).toEqual([
      'removed a',
      'added b',
    ])
  })

  test('totals account for all entries of both sides, and applying the differences to base gives head', async () => {
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
        const { differences, totals, complete } = await compareWhole(createMemoryReader(base, head))
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

  test('covers all pages of both manifests', async () => {
    const many = (suffix: string) =>
      Array.from({ length: 1300 }, (_, index) =>
        fileEntry(`f${String(index).padStart(4, '0')}`, `${index}${suffix}`),
      )
    const { totals } = await compareWhole(createMemoryReader(many(''), many('+')))
    expect(totals).toMatchObject({ changed: 1300, unchanged: 0, added: 0, removed: 0 })
  })

  test('growth covers all differences, including those past the listing bound', async () => {
    const pairOf = (path: string, content: string) => {
      return { before: null, after: { entry: fileEntry(path, content), modifiedAt: null } }
    }
    const many = pairOf('a/small', '1')
    const stretches: ComparedStretch[] = [
      {
        differing: Array.from({ length: limits.compareDifferencesMax }, () => many),
        unchanged: 0,
        next: { base: 0, head: 1 },
      },
      { differing: [pairOf('z/big', 'x'.repeat(300_000))], unchanged: 0, next: null },
    ]
    const readDifferences = async (): Promise<ComparedStretch> =>
      await Promise.resolve(stretches.shift()!)
    const { complete, growth } = await compareWhole({ readDifferences })
    expect([complete, growth.cause]).toEqual([false, { directory: 'z/', share: 0.75 }])
    expect(growth.paths[0]?.after?.entry.path).toBe('z/big')
  })

  test('lists long paths up to a number of characters', async () => {
    const path = 'x'.repeat(4096)
    const pair = { before: null, after: { entry: fileEntry(path, '1'), modifiedAt: null } }
    const count = limits.comparePathCharactersMax / path.length
    const compare = async (differing: ComparedStretch['differing']) => {
      const stretch = { differing, unchanged: 0, next: null }
      return await compareWhole({ readDifferences: async () => stretch })
    }
    const fitting = Array.from({ length: count }, () => pair)
    expect((await compare(fitting)).complete).toBe(true)
    const { complete, differences, totals } = await compare([...fitting, pair])
    expect([complete, differences.length, totals.added]).toEqual([false, count, count + 1])
  })

  test('runs a few comparisons at a time', async () => {
    let running = 0
    let most = 0
    const readDifferences = async (): Promise<ComparedStretch> => {
      most = Math.max(most, ++running)
      await new Promise(setImmediate)
      running--
      return { differing: [], unchanged: 0, next: null }
    }
    await Promise.all(
      Array.from({ length: 10 }, async () => await compareWhole({ readDifferences })),
    )
    expect(most).toBe(limits.comparisonsMax)
  })

  test('yields to the event loop while it matches moves', async () => {
    const differing = Array.from({ length: limits.compareDifferencesMax }, (_, index) => ({
      before: { entry: directoryEntry(`${index}`), modifiedAt: null },
      after: null,
    }))
    const readDifferences = async (): Promise<ComparedStretch> =>
      await Promise.resolve({ differing, unchanged: 0, next: null })
    const { turns } = await countingTurns(async () => await compareWhole({ readDifferences }))
    expect(turns).toBeGreaterThan(100)
  })
})

test('a comparison keeps its place until it is used, and others wait without beginning', async () => {
  let begun = 0
  const readDifferences = async (): Promise<ComparedStretch> => {
    begun += 1
    return { differing: [], unchanged: 1, next: null }
  }
  let finish!: () => void
  const isUsed = new Promise<void>((resolve) => {
    finish = resolve
  })
  const count = limits.comparisonsMax + 2
  const uses = Array.from({ length: count }, () =>
    compareEntries([{ readDifferences }, 1, 2], async ({ totals }) => {
      await isUsed
      return totals.unchanged
    }),
  )
  for (let turn = 0; turn < 20; turn++) await nextLoop()
  expect(begun).toBe(limits.comparisonsMax)
  finish()
  expect(await Promise.all(uses)).toEqual(uses.map(() => 1))
})
