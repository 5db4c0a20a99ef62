import { expect, test } from 'vitest'
import { diffLines } from '../../src/web/compare/text-diff.ts'

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
