import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type DirectoryListing, listDirectory } from '../../src/browse/directory.ts'
import { createEntryCursor, walkSubtree } from '../../src/browse/entries.ts'
import { comparePaths } from '../../src/core/entry.ts'
import type { StoredEntry } from '../../src/metadata/metadata.ts'
import { createMemoryReader, directoryEntry, fileEntry } from './memory-reader.ts'

/** Segments that sort on both sides of `/`, so that `a`, `a-b` and `a/c` interleave. */
const segment = fc.constantFrom('a', 'a-b', 'a0', 'b', '!', 'é', '😀', '\uff01')
const path = fc.array(segment, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'))

/** Entries as a manifest may hold them: no path below a file, some directories named and others implied. */
const manifest = fc.uniqueArray(path, { maxLength: 30 }).chain((paths) =>
  fc.infiniteStream(fc.boolean()).map((named): StoredEntry[] =>
    paths.flatMap((each) => {
      const hasChildren = paths.some((other) => other.startsWith(`${each}/`))
      if (!hasChildren) return [fileEntry(each, each)]
      return named.next().value === true ? [directoryEntry(each)] : []
    }),
  ),
)

async function listAll(
  entries: StoredEntry[],
  directory: string,
  limit: number,
): Promise<DirectoryListing['children'] | undefined> {
  const reader = createMemoryReader(entries)
  const children: DirectoryListing['children'] = []
  let from: string | null = null
  do {
    const page: DirectoryListing | undefined = await listDirectory(reader, 1, {
      directory,
      limit,
      from,
    })
    if (page === undefined) return undefined
    expect(page.children.length).toBeLessThanOrEqual(limit)
    children.push(...page.children)
    from = page.next
  } while (from !== null)
  return children
}

describe('a directory', () => {
  test('lists each child once, whatever the page size and whichever directories are named', async () => {
    await fc.assert(
      fc.asyncProperty(
        manifest,
        fc.constantFrom('', 'a', 'a/a'),
        fc.integer({ min: 1, max: 7 }),
        async (entries, directory, limit) => {
          const prefix = directory === '' ? '' : `${directory}/`
          const wanted = new Set(
            entries
              .filter(({ path: each }) => each.startsWith(prefix))
              .map(({ path: each }) => prefix + each.slice(prefix.length).split('/')[0]),
          )
          const children = await listAll(entries, directory, limit)
          expect((children ?? []).map(({ entry }) => entry.path).toSorted(comparePaths)).toEqual(
            [...wanted].toSorted(comparePaths),
          )
        },
      ),
    )
  })

  test('is not there when nothing lies below it and no entry names it', async () => {
    const reader = createMemoryReader([fileEntry('a/b', '1'), directoryEntry('empty')])
    const list = async (directory: string) =>
      await listDirectory(reader, 1, { directory, limit: 10, from: null })
    expect(await list('missing')).toBeUndefined()
    expect(await list('a/b')).toBeUndefined()
    expect(await list('empty')).toEqual({ children: [], next: null })
  })

  test('an artifact without entries has an empty root', async () => {
    const listing = await listDirectory(createMemoryReader([]), 1, {
      directory: '',
      limit: 10,
      from: null,
    })
    expect(listing).toEqual({ children: [], next: null })
  })

  test('large subtrees are stepped over, not read', async () => {
    const entries = ['a', 'b', 'c'].flatMap((top) =>
      Array.from({ length: 10_000 }, (_, index) =>
        fileEntry(`${top}/${String(index).padStart(5, '0')}`, 'x'),
      ),
    )
    const reader = createMemoryReader(entries)
    const listing = await listDirectory(reader, 1, { directory: '', limit: 10, from: null })
    expect(listing?.children.map(({ entry }) => entry.path)).toEqual(['a', 'b', 'c'])
    expect(reader.pagesRead).toBeLessThanOrEqual(4)
  })
})

describe('a subtree', () => {
  test('is the entry itself and all below it, in order, across pages', async () => {
    const entries = Array.from({ length: 1300 }, (_, index) =>
      fileEntry(`d/${String(index).padStart(4, '0')}`, 'x'),
    )
    const others = [fileEntry('c', 'x'), fileEntry('d-', 'x'), fileEntry('e', 'x')]
    const reader = createMemoryReader([...entries, ...others, directoryEntry('d')])
    const found: string[] = []
    for await (const { entry } of walkSubtree(reader, 1, 'd')) found.push(entry.path)
    expect(found).toEqual(['d', ...entries.map((entry) => entry.path)])
  })
})

describe('a cursor', () => {
  test('seeks forward to the first entry at or after a path, and goes on from there', async () => {
    const paths = Array.from({ length: 1300 }, (_, index) => `f${String(index).padStart(4, '0')}`)
    const cursor = createEntryCursor(
      createMemoryReader(paths.map((each) => fileEntry(each, 'x'))),
      1,
    )
    expect((await cursor.next())?.entry.path).toBe('f0000')
    expect((await cursor.seek('f0511'))?.ordinal).toBe(511)
    expect((await cursor.next())?.ordinal).toBe(512)
    expect((await cursor.seek('f1299-'))?.entry.path).toBeUndefined()
    expect(await cursor.next()).toBeUndefined()
  })
})
