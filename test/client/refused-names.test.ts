import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { refuseAlike, whyNotOnWindows } from '../../src/client/download/refused-names.ts'
import { createTreeColumns, type FetchedTree } from '../../src/client/download/tree-columns.ts'
import { digestOf } from '../../src/core/bytes/digest.ts'
import type { EntryPath } from '../../src/core/manifest/entry.ts'
import { formatEntry } from '../../src/core/manifest/manifest.ts'
import { makeDirectory } from './tree.ts'

test.each(['a/b.txt', 'con', 'Auxiliary', 'com10', '.hidden', 'a..b', 'a b', 'nul', 'ä+=;,!'])(
  'on Windows, %s is a valid name unless it is a device',
  (path) => {
    const isDevice = path === 'con' || path === 'nul'
    expect(whyNotOnWindows(path)).toBe(isDevice ? 'it is the name of a Windows device' : undefined)
  },
)

test.each([
  ['a\\b', 'Windows does not allow "\\\\"'],
  ['file:stream', 'Windows does not allow ":"'],
  ['what?', 'Windows does not allow "?"'],
  ['line\nbreak', 'Windows does not allow "\\n"'],
  ['dot./a', 'end in a dot or a space'],
  ['blank /a', 'end in a dot or a space'],
  ['a/last.', 'end in a dot or a space'],
  ['a/NUL.tar.gz', 'device'],
  ['Com1/a', 'device'],
])('Windows does not allow %j', (path, reason) => {
  expect(whyNotOnWindows(path)).toContain(reason)
})

function treeOf(paths: string[]): FetchedTree {
  const columns = createTreeColumns()
  const entries = paths.map((path) =>
    formatEntry({
      kind: 'file',
      path: path as EntryPath,
      mode: 0o644,
      digest: digestOf(path),
      sizeBytes: 1,
    }),
  )
  columns.addLines(Buffer.from(entries.join('')))
  columns.addTimes(Buffer.alloc(0), paths.length)
  return columns
}

const allOf = (tree: FetchedTree): number[] =>
  Array.from({ length: tree.count }, (_, index) => index)

test('names that differ only in case are accepted on a case-sensitive file system', async () => {
  const destination = await makeDirectory()
  await mkdir(join(destination, '.trove-partial'))
  const tree = treeOf(['A', 'a'])
  expect(() => refuseAlike(destination, tree, allOf(tree))).not.toThrow()
})

test('on other file systems two such names are rejected if both are wanted', async () => {
  const destination = await makeDirectory()
  // What looking up `.trove-partial` in upper case finds there.
  await mkdir(join(destination, '.TROVE-PARTIAL'))
  const refuse = (paths: string[], wanted?: number[]): void => {
    const tree = treeOf(paths)
    refuseAlike(destination, tree, wanted ?? allOf(tree))
  }
  refuse(['A/a', 'A/b', 'B', 'c'])
  refuse(['A', 'B', 'a'], [0, 1])
  expect(() => refuse(['A/x', 'B', 'a/X'])).toThrow(
    '"a/X": the file system of DEST cannot distinguish it from "A/x"',
  )
  // Files in one of the two directories would look like extra files of the other, and be deleted.
  expect(() => refuse(['A/a', 'B', 'a/b'])).toThrow(
    '"a": the file system of DEST cannot distinguish it from "A"',
  )
  expect(() => refuse(['A/a', 'a'])).toThrow('invalid path "a"')
  // Both look the same, so that one is escaped.
  expect(() => refuse(['e\u0301', '\u00e9'])).toThrow('cannot distinguish it from "e\\u0301"')
})
