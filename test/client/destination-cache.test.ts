/** The cache of a download's directory is either read back correctly or ignored. */
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { cacheFilePath } from '../../src/client/cache/cache-files.ts'
import {
  type DestinationCache,
  readDestinationCache,
  rememberDestination,
} from '../../src/client/download/destination-cache.ts'
import type { KnownLines } from '../../src/client/download/fetched-tree.ts'
import { notAsCached } from '../../src/client/files/file-tasks.ts'
import { findKnown, notKnown } from '../../src/client/download/known-files.ts'
import { createTreeColumns, type TreeColumns } from '../../src/client/download/tree-columns.ts'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { comparePaths, type Entry, type EntryPath } from '../../src/core/manifest/entry.ts'
import { formatEntry } from '../../src/core/manifest/manifest.ts'
import { applyChanges, formatRemoval } from '../../src/core/manifest/manifest-changes.ts'
import { makeDirectory } from './tree.ts'
import { turns } from '../turns.ts'

const origin = { artifactId: 2 ** 40, url: 'http://store.test:1/é' }

const file = (path: string, content = path, mode = 0o644): Entry => ({
  kind: 'file',
  path: path as EntryPath,
  mode,
  digest: digestOf(content),
  sizeBytes: content.length,
})

function treeOf(entries: readonly Entry[]): TreeColumns {
  const tree = createTreeColumns()
  const lines = entries.toSorted((a, b) => comparePaths(a.path, b.path)).map(formatEntry)
  // In pages, like a fetched tree.
  for (let at = 0; at < lines.length; at += 3)
    tree.addLines(Buffer.from(lines.slice(at, at + 3).join('')))
  return tree
}

/** Four numbers for each entry, unique to it. */
function statsOf({ count }: TreeColumns): Float64Array {
  return Float64Array.from({ length: count * 4 }, (_, at) => 2 ** 41 + at / 2)
}

async function remember(path: string, tree: TreeColumns): Promise<DestinationCache> {
  await rememberDestination(path, origin, tree, null).save(statsOf(tree))
  return (await readDestinationCache(path))!
}

async function newPath(): Promise<string> {
  return cacheFilePath(await makeDirectory(), 'destination', 'dest')
}

const some = [file('a'), file('b/c'), { ...file('d'), kind: 'directory' } as Entry, file('é')]

test('reads back what was saved', async () => {
  const tree = treeOf(some)
  const cache = await remember(await newPath(), tree)
  expect(cache).toMatchObject({ ...origin, count: 4 })
  expect(cache.text.equals(Buffer.concat([...tree.text]))).toBe(true)
  expect(cache.stats).toEqual(statsOf(tree))
  const lines = some.map((_, line) =>
    cache.text.toString('utf8', cache.starts[line], cache.starts[line + 1]),
  )
  expect(lines).toEqual(some.map(formatEntry))
})

test('an empty tree can be saved', async () => {
  expect(await remember(await newPath(), treeOf([]))).toMatchObject({ ...origin, count: 0 })
})

test('text of many pieces and blocks is joined', async () => {
  const tree = treeOf(Array.from({ length: 30_000 }, (_, index) => file(`some/file-${index}`)))
  const cache = await remember(await newPath(), tree)
  expect(cache.text.length).toBeGreaterThan(2 * 1024 * 1024)
  expect(cache.text.equals(Buffer.concat([...tree.text]))).toBe(true)
})

test('an identical cache is kept; a different one replaces it without leftovers', async () => {
  const path = await newPath()
  const tree = treeOf(some)
  const cache = await remember(path, tree)
  const before = await stat(path)
  await rememberDestination(path, origin, tree, cache).save(statsOf(tree))
  expect((await stat(path)).ino).toBe(before.ino)
  const stats = statsOf(tree).fill(7, 0, 4)
  await rememberDestination(path, origin, tree, cache).save(stats)
  expect((await readDestinationCache(path))!.stats).toEqual(stats)
  for (const change of [{ artifactId: 5 }, { url: 'http://other' }]) {
    await remember(path, tree)
    await rememberDestination(path, { ...origin, ...change }, tree, cache).save(statsOf(tree))
    expect(await readDestinationCache(path)).toMatchObject(change)
  }
  await remember(path, tree)
  const other = rememberDestination(path, { ...origin, artifactId: 3 }, tree, cache)
  await other.abandon()
  expect(await readDestinationCache(path)).toMatchObject(origin)
  expect(await readdir(dirname(path))).toHaveLength(1)
})

test('an unwritable cache path is no failure', async () => {
  const blocked = `${await makeDirectory()}/file`
  await writeFile(blocked, '')
  const tree = treeOf(some)
  const remembering = rememberDestination(`${blocked}/destination/x`, origin, tree, null)
  await remembering.save(statsOf(tree))
  await rememberDestination(`${blocked}/destination/x`, origin, tree, null).abandon()
  expect(await readDestinationCache(`${blocked}/destination/x`)).toBeNull()
})

test('a damaged or truncated cache is ignored', async () => {
  const path = await newPath()
  await remember(path, treeOf(some))
  const bytes = await readFile(path)
  for (let at = 0; at < bytes.length; at++) {
    const damaged = Buffer.from(bytes)
    damaged[at]! ^= 1
    await writeFile(path, damaged)
    expect(await readDestinationCache(path), `byte ${at}`).toBeNull()
    await writeFile(path, bytes.subarray(0, at))
    expect(await readDestinationCache(path), `${at} bytes`).toBeNull()
  }
})

const names = fc.constantFrom('a', 'a.b', 'b', 'b c', 'c', 'd/a', 'd/b', 'd/é', 'e/f/g', 'z')
const entries = fc.oneof(
  fc.record({ content: fc.constantFrom('x', 'yy'), mode: fc.constantFrom(0o644, 0o755) }),
  fc.constant(null),
)
const trees = fc
  .array(fc.tuple(names, entries), { maxLength: 10 })
  .map((list) =>
    [...new Map(list)].map(([path, entry]): Entry =>
      entry === null
        ? { kind: 'symlink', path: path as EntryPath, mode: 0o777, target: 'x' }
        : file(path, entry.content, entry.mode),
    ),
  )

describe('files known in a newer tree', () => {
  test('are those in both trees, whether the newer tree was fetched as changes or whole', async () => {
    const path = await newPath()
    await fc.assert(
      fc.asyncProperty(trees, trees, fc.nat(), async (base, head, lost) => {
        const cache = await remember(path, treeOf(base))
        const modes = Uint16Array.from(base, () => 0o644)
        const older = base.toSorted((a, b) => comparePaths(a.path, b.path))
        // Symlinks are never known, and one file has changed.
        for (const [line, { kind }] of older.entries())
          if (kind !== 'file' || line === lost % 11) modes[line] = notAsCached
        const checked = { cache, modes, directories: new Map() }
        const newer = head.toSorted((a, b) => comparePaths(a.path, b.path))
        const lines = newer.map((entry) => {
          const line = older.findIndex((each) => each.path === entry.path)
          return line >= 0 && modes[line] !== notAsCached ? line : notKnown
        })
        const isSame = newer.map((entry, ordinal) => {
          const held = older[lines[ordinal]!]
          return held?.kind === 'file' && entry.kind === 'file' && held.digest === entry.digest
        })
        const changed = changedTree(cache, older, newer)
        for (const known of [changed.known, null]) {
          const found = findKnown(checked, changed.tree, known)
          expect([...found.lines]).toEqual(lines)
          expect([...found.isSame].map(Boolean)).toEqual(isSame)
        }
      }),
      { numRuns: turns(300) },
    )
  })
})

/** Builds a tree like `fetchTree`. */
function changedTree(
  cache: DestinationCache,
  older: readonly Entry[],
  newer: readonly Entry[],
): { tree: TreeColumns; known: KnownLines[] } {
  const texts = [older, newer].map(
    (list) => new Map(list.map((each) => [each.path, formatEntry(each)])),
  )
  const changes = [...new Set([...older, ...newer].map(({ path }) => path))]
    .toSorted(comparePaths)
    .filter((path) => texts[0]!.get(path) !== texts[1]!.get(path))
    .map((path) => texts[1]!.get(path) ?? formatRemoval(path))
  const tree = createTreeColumns()
  const known: KnownLines[] = []
  for (const { text, isKept, baseLine } of applyChanges(cache, Buffer.from(changes.join('')))) {
    const ordinal = tree.count
    tree.addLines(text)
    if (baseLine !== null)
      known.push({ ordinal, line: baseLine, count: tree.count - ordinal, areSame: isKept })
  }
  return { tree, known }
}
