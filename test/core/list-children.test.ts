import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { listChildren, type ManifestPages } from '../../src/core/manifest/list-children.ts'
import { comparePaths, type EntryPath } from '../../src/core/manifest/entry.ts'

interface Listed {
  path: EntryPath
}

/** Pages of `size` entries that count how many of them are read. */
function pagesOf(paths: string[], size: number): ManifestPages<Listed> & { pagesRead: number } {
  const entries = paths.toSorted(comparePaths).map((path) => ({ path: path as EntryPath }))
  const pages = {
    pagesRead: 0,
    findPage: async (path: string) => {
      const at = entries.findIndex((entry) => comparePaths(entry.path, path) >= 0)
      return at === -1 ? undefined : Math.floor(at / size)
    },
    readPage: async (page: number) => {
      pages.pagesRead += 1
      const found = entries.slice(page * size, (page + 1) * size)
      return found.length === 0 ? undefined : found
    },
  }
  return pages
}

async function listAll(paths: string[], directory: string, limit: number): Promise<string[]> {
  const listed: string[] = []
  for (let from: string | null = null; ;) {
    const place: { directory: string; limit: number; from: string | null } = {
      directory,
      limit,
      from,
    }
    const { children, next } = await listChildren(pagesOf(paths, 3), place)
    expect(children.length).toBeLessThanOrEqual(limit)
    listed.push(...children.map(({ path }) => path))
    if (next === null) return listed
    from = next
  }
}

/** Segments that sort on both sides of `/`, so that `a`, `a-b` and `a/c` interleave. */
const segment = fc.constantFrom('a', 'a-b', 'a0', 'b', '!', 'é', '😀', '\uff01')
const path = fc.array(segment, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'))

/** Paths as in a manifest: some directories have entries, others are implied. */
const manifest = fc.uniqueArray(path, { maxLength: 30 }).chain((paths) =>
  fc.infiniteStream(fc.boolean()).map((named) =>
    paths.filter((each) => {
      const hasChildren = paths.some((other) => other.startsWith(`${each}/`))
      return !hasChildren || named.next().value === true
    }),
  ),
)

describe('a directory', () => {
  test('lists each child once, whatever the page size and whichever directories are named', async () => {
    await fc.assert(
      fc.asyncProperty(
        manifest,
        fc.constantFrom('', 'a', 'a/a'),
        fc.integer({ min: 1, max: 7 }),
        async (paths, directory, limit) => {
          const prefix = directory === '' ? '' : `${directory}/`
          const wanted = new Set(
            paths
              .filter((each) => each.startsWith(prefix))
              .map((each) => prefix + each.slice(prefix.length).split('/')[0]),
          )
          const children = await listAll(paths, directory, limit)
          expect(children.toSorted(comparePaths)).toEqual([...wanted].toSorted(comparePaths))
        },
      ),
    )
  })

  test('returns the place of each child with an entry, and none for an implied one', async () => {
    const { children } = await listChildren(pagesOf(['a/x', 'b', 'c', 'd'], 3), {
      directory: '',
      limit: 10,
      from: null,
    })
    expect(children.map(({ path: each, found }) => [each, found?.page, found?.index])).toEqual([
      ['a', undefined, undefined],
      ['b', 0, 1],
      ['c', 0, 2],
      ['d', 1, 0],
    ])
  })

  test('is empty when nothing lies below it', async () => {
    const place = { directory: 'missing', limit: 10, from: null }
    expect(await listChildren(pagesOf(['a/b'], 3), place)).toEqual({ children: [], next: null })
    const root = { directory: '', limit: 10, from: null }
    expect(await listChildren(pagesOf([], 3), root)).toEqual({ children: [], next: null })
  })

  test('skips large subtrees', async () => {
    const paths = ['a', 'b', 'c'].flatMap((top) =>
      Array.from({ length: 10_000 }, (_, index) => `${top}/${String(index).padStart(5, '0')}`),
    )
    const pages = pagesOf(paths, 512)
    const place = { directory: '', limit: 10, from: null }
    const { children } = await listChildren(pages, place)
    expect(children.map(({ path: each }) => each)).toEqual(['a', 'b', 'c'])
    expect(pages.pagesRead).toBeLessThanOrEqual(6)
  })
})
