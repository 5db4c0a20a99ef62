/** Attributing a change in bytes to directories and files. */
import { expect, test } from 'vitest'
import type { Difference } from '../../src/browse/difference.ts'
import { createGrowthSum, type Growth } from '../../src/browse/growth.ts'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { comparePaths, type EntryPath } from '../../src/core/manifest/entry.ts'

const digest = digestOf('anything')

function side(path: string, sizeBytes: number) {
  const entry = { kind: 'file', path: path as EntryPath, mode: 0o644, digest, sizeBytes } as const
  return { entry, modifiedAt: null }
}

/** Sums differences that are in path order and contain no move. */
function growthOf(differences: Difference[]): Growth {
  const sum = createGrowthSum()
  for (const difference of differences) {
    sum.addToDirectories(difference)
    sum.addToPaths(difference)
  }
  return sum.growth()
}

test('a change is summed by directory and by path, largest first, with its main cause', () => {
  const differences: Difference[] = [
    { kind: 'added', before: null, after: side('a/b-/zero', 1) },
    { kind: 'added', before: null, after: side('a/b/c/d/one', 70) },
    { kind: 'added', before: null, after: side('a/b/c/two', 6) },
    { kind: 'added', before: null, after: side('a/b/two', 20) },
    { kind: 'removed', before: side('a/x/four', 5), after: null },
    { kind: 'added', before: null, after: side('e/four', 5) },
    { kind: 'changed', before: side('f/same', 9), after: side('f/same', 9) },
    { kind: 'mode', before: side('g/five', 7), after: side('g/five', 7) },
    { kind: 'changed', before: side('three', 50), after: side('three', 20) },
  ]
  expect(growthOf(differences)).toEqual({
    directories: [
      { directory: 'a/b/c/', bytes: 76, files: 2 },
      { directory: '/', bytes: -30, files: 1 },
      { directory: 'a/b/', bytes: 20, files: 1 },
      { directory: 'a/x/', bytes: -5, files: 1 },
      { directory: 'e/', bytes: 5, files: 1 },
      { directory: 'a/b-/', bytes: 1, files: 1 },
    ],
    paths: [1, 8, 3, 2, 4, 5, 0].map((index) => differences[index]),
    cause: { directory: 'a/b/', share: 1 },
  })
  expect(growthOf(differences.slice(0, -1)).cause).toEqual({ directory: 'a/b/', share: 96 / 97 })
  expect(growthOf(differences.slice(-1)).cause).toBeNull()
})

test('the sums equal those of counting each directory by itself', () => {
  const paths = Array.from({ length: 3000 }, (_, index) => {
    const part = (step: number): string => ['a', 'a-', 'a.b', 'b', 'é'][(index * step) % 5]!
    return [part(1), part(7), part(11), part(13), `${index}`].slice(index % 5).join('/')
  }).toSorted((a, b) => comparePaths(a as EntryPath, b as EntryPath))
  const differences = paths.map((path, index): Difference => ({
    kind: 'added',
    before: null,
    after: side(path, index + 1),
  }))
  const bytesOf = new Map<string, number>()
  for (const [index, path] of paths.entries()) {
    const directory = path
      .split('/')
      .slice(0, -1)
      .slice(0, 3)
      .map((name) => `${name}/`)
      .join('')
    const key = directory === '' ? '/' : directory
    bytesOf.set(key, (bytesOf.get(key) ?? 0) + index + 1)
  }
  const largest = [...bytesOf].toSorted(([, a], [, b]) => b - a).slice(0, 12)
  const { directories } = growthOf(differences)
  expect(directories.map(({ directory, bytes }) => [directory, bytes])).toEqual(largest)
})
