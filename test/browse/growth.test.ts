/** Where a change in bytes comes from. */
import { expect, test } from 'vitest'
import type { Difference } from '../../src/browse/compare.ts'
import { digestOf } from '../../src/core/digest.ts'
import type { EntryPath } from '../../src/core/entry.ts'
import { limits } from '../../src/core/limits.ts'
import { growthOf } from '../../src/browse/growth.ts'

const digest = digestOf('anything')

function side(path: string, sizeBytes: number) {
  const entry = { kind: 'file', path: path as EntryPath, mode: 0o644, digest, sizeBytes } as const
  return { entry, modifiedAt: null }
}

test('a change is told by directory, the largest first, and what it mostly comes from', async () => {
  const differences: Difference[] = [
    { kind: 'added', before: null, after: side('a/b/c/d/one', 70) },
    { kind: 'added', before: null, after: side('a/b/two', 20) },
    { kind: 'changed', before: side('three', 50), after: side('three', 20) },
    { kind: 'moved', before: side('a/x/four', 5), after: side('e/four', 5) },
    { kind: 'changed', before: side('f/same', 9), after: side('f/same', 9) },
    { kind: 'mode', before: side('g/five', 7), after: side('g/five', 7) },
  ]
  expect(await growthOf(differences, 60)).toEqual({
    directories: [
      { directory: 'a/b/c/', bytes: 70, files: 1 },
      { directory: '/', bytes: -30, files: 1 },
      { directory: 'a/b/', bytes: 20, files: 1 },
      { directory: 'a/x/', bytes: -5, files: 1 },
      { directory: 'e/', bytes: 5, files: 1 },
    ],
    paths: [differences[0], differences[2], differences[1]],
    cause: { directory: 'a/b/', share: 1 },
  })
  expect((await growthOf(differences, 180)).cause).toEqual({ directory: 'a/b/', share: 0.5 })
  expect((await growthOf(differences, -1)).cause).toBeUndefined()
})

test('of very many, each in a directory of its own, it leaves turns to others', async () => {
  const differences = Array.from(
    { length: limits.compareDifferencesMax },
    (_, index): Difference => ({
      kind: 'added',
      before: null,
      after: side(`${index}/a`, (index * 7919) % limits.compareDifferencesMax),
    }),
  )
  let turns = 0
  const count = (): void => {
    turns += 1
    next = setImmediate(count)
  }
  let next = setImmediate(count)
  const { directories } = await growthOf(differences, 1)
  clearImmediate(next)
  expect(turns).toBeGreaterThan(40)
  expect(directories.map(({ bytes }) => bytes)).toEqual(
    Array.from({ length: 12 }, (_, index) => limits.compareDifferencesMax - 1 - index),
  )
})
