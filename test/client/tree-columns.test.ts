/** A fetched tree reports what its lines say, however they arrived. */
import { expect, test } from 'vitest'
import { createTreeColumns } from '../../src/client/download/tree-columns.ts'
import { digestOf, digestToBytes } from '../../src/core/bytes/digest.ts'
import type { Entry, EntryPath } from '../../src/core/manifest/entry.ts'
import { formatEntry } from '../../src/core/manifest/manifest.ts'
import { encodeTimes } from '../../src/core/manifest/modification-times.ts'

const file = (path: string): Entry => ({
  kind: 'file',
  path: path as EntryPath,
  mode: 0o640,
  digest: digestOf(path),
  sizeBytes: 2 ** 40 + path.length,
})

const tree: Entry[] = [
  { kind: 'directory', path: 'a' as EntryPath, mode: 0o711 },
  ...Array.from({ length: 2500 }, (_, index) => file(`a/${String(index).padStart(5, '0')}`)),
  file('ä'.repeat(120)),
  { kind: 'symlink', path: '😀' as EntryPath, mode: 0o777, target: '../é x' },
]
const times = tree.map((_, index) => (index % 3 === 0 ? null : index * 1000 - 7))

test.each(
  [1, 7, 512, 4000].flatMap((pageEntries) => [
    [pageEntries, 'addLines'] as const,
    [pageEntries, 'addJudgedLines'] as const,
  ]),
)('reads pages of %d entries by %s', (pageEntries, add) => {
  const columns = createTreeColumns()
  for (let at = 0; at < tree.length; at += pageEntries) {
    const page = tree.slice(at, at + pageEntries)
    columns[add](Buffer.from(page.map(formatEntry).join('')))
    const own = times.slice(at, at + pageEntries)
    // A page without any time is empty.
    const isEmpty = own.every((time) => time === null)
    columns.addTimes(isEmpty ? Buffer.alloc(0) : encodeTimes(own), own.length)
  }
  expect(columns.count).toBe(tree.length)
  const text = Buffer.concat([...columns.text])
  const starts = columns.lineStarts()
  expect(text.toString()).toBe(tree.map(formatEntry).join(''))
  expect(starts).toHaveLength(tree.length + 1)
  const other = digestToBytes(digestOf('other'))
  const read = tree.map(({ kind }, ordinal) => {
    const [path, mode] = [columns.path(ordinal), columns.mode(ordinal)]
    const line = text.subarray(starts[ordinal], starts[ordinal + 1]).toString()
    if (kind === 'directory') return { kind: columns.kind(ordinal), path, mode, line }
    if (kind === 'symlink') {
      const target = columns.linkTarget(ordinal)
      return { kind: columns.kind(ordinal), path, mode, target, line }
    }
    const digest = columns.digest(ordinal)
    const sizeBytes = columns.sizeBytes(ordinal)
    const own = [digestToBytes(digest), other].map((one) => columns.hasDigest(ordinal, one, 0))
    return { kind: columns.kind(ordinal), path, mode, digest, sizeBytes, line, own }
  })
  expect(read).toEqual(
    tree.map((entry) => ({
      ...entry,
      line: formatEntry(entry),
      ...(entry.kind === 'file' && { own: [true, false] }),
    })),
  )
  // In any order, as files are fetched.
  const ordinals = Array.from(tree.keys()).toSorted((a, b) => (a % 97) - (b % 97))
  expect(ordinals.map((ordinal) => columns.modifiedAt(ordinal))).toEqual(
    ordinals.map((ordinal) => times[ordinal]),
  )
})

test('a tree without times has none', () => {
  const columns = createTreeColumns()
  columns.addLines(Buffer.from(formatEntry(file('a'))))
  expect(columns.modifiedAt(0)).toBeNull()
})

test('an entry beyond its page of times has none', () => {
  const columns = createTreeColumns()
  for (const page of [[1, 2], [3], [4]]) columns.addTimes(encodeTimes(page), page.length)
  expect([0, 1, 2, 3].map((ordinal) => columns.modifiedAt(ordinal))).toEqual([1, 2, 3, null])
})

test('text that does not end with a line feed is rejected', () => {
  expect(() => createTreeColumns().addLines(Buffer.from('d 755 a'))).toThrow(RangeError)
})
