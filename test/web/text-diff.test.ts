import { expect, test } from 'vitest'
import { diffLines, groupChanges } from '../../src/web/compare/text-diff.ts'

test('a change at each end of a very long text is found', () => {
  const before = Array.from({ length: 500_000 }, () => '')
  const after = ['first', ...before, 'last']
  const lines = diffLines(before, after) ?? []
  expect(lines).toHaveLength(after.length)
  expect(lines.filter(({ kind }) => kind === 'added').map(({ after: number }) => number)).toEqual([
    1,
    after.length,
  ])
})

test.each([
  ['at both ends', [0, 19], [4, 4], [0, 12]],
  ['with six equal lines between', [5, 12], [14], [2]],
  ['with seven equal lines between', [5, 13], [7, 7], [2, 1]],
  ['side by side', [5, 6], [8], [2]],
])('changes %s are grouped with three lines around them', (_, changed, lengths, skipped) => {
  const lines = Array.from({ length: 20 }, (__, at) => ({
    kind: changed.includes(at) ? ('added' as const) : ('same' as const),
    text: String(at),
    before: null,
    after: null,
  }))
  const groups = groupChanges(lines, 3)
  expect(groups.map((group) => group.lines.length)).toEqual(lengths)
  expect(groups.map((group) => group.skipped)).toEqual(skipped)
})
