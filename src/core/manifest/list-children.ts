/** Lists the children of one directory of a manifest. Manifests are flat and may contain `a/b`
 *  without `a`, so directories are also inferred from the paths below them. Seeking skips whole
 *  subtrees, so the cost depends on the number of children and not on the number of entries
 *  below. */
import { comparePaths, type EntryPath } from './entry.ts'

/** A manifest as pages of entries in path order. */
export interface ManifestPages<Listed extends { path: EntryPath }> {
  /** Returns the page that holds the first entry at or after `path`; undefined past the end. */
  findPage(path: string): Promise<number | undefined>
  /** Returns undefined past the end. */
  readPage(page: number): Promise<readonly Listed[] | undefined>
}

export interface DirectoryChild<Listed> {
  path: EntryPath
  /** Null for a directory that has no entry of its own. `index` is the entry's position in its
   *  page. */
  found: Place<Listed> | null
}

export type Place<Listed> = { entry: Listed; page: number; index: number }

export interface ChildList<Listed> {
  /** In path order. */
  children: DirectoryChild<Listed>[]
  /** Where to continue; null at the end. */
  next: string | null
}

/** Sorts after every name that could follow in the same directory: `/` + 1. */
export const afterSlash = '0'
/** Sorts before every character that a path may contain. */
const lowest = '\u0001'

/** Returns at most `limit` children of `directory` ('' is the root), starting at `from` (`next` of
 *  the previous call). Empty when the directory does not exist or has no children. */
export async function listChildren<Listed extends { path: EntryPath }>(
  pages: ManifestPages<Listed>,
  { directory, from, limit }: { directory: string; from: string | null; limit: number },
): Promise<ChildList<Listed>> {
  const prefix = directory === '' ? '' : `${directory}/`
  const seek = createSeek(pages)
  const children: DirectoryChild<Listed>[] = []
  let position = from ?? prefix
  for (;;) {
    const found = await seek(position)
    if (found === undefined || !found.entry.path.startsWith(prefix)) break
    if (children.length === limit) return { children, next: position }
    const rest = found.entry.path.slice(prefix.length)
    const slash = rest.indexOf('/')
    if (slash === -1) {
      children.push({ path: found.entry.path, found })
      position = `${found.entry.path}${lowest}`
      continue
    }
    const path = `${prefix}${rest.slice(0, slash)}` as EntryPath
    // `a` and `a/b` need not be neighbours (`a-b` sorts between them), so a directory with an entry
    // was listed earlier.
    if (!(await hasEntry(pages, path))) children.push({ path, found: null })
    position = `${path}${afterSlash}`
  }
  return { children, next: null }
}

/** Returns a function that finds the first entry at or after a path. Holds one page. */
function createSeek<Listed extends { path: EntryPath }>(
  pages: ManifestPages<Listed>,
): (path: string) => Promise<Place<Listed> | undefined> {
  let number = -1
  let page: readonly Listed[] = []
  return async (path) => {
    const last = page.at(-1)
    if (last === undefined || comparePaths(last.path, path) < 0) {
      const next = await pages.findPage(path)
      if (next === undefined) return undefined
      number = next
      page = (await pages.readPage(number)) ?? []
    }
    const index = firstAtOrAfter(page, path)
    const entry = page[index]
    return entry && { entry, page: number, index }
  }
}

async function hasEntry<Listed extends { path: EntryPath }>(
  pages: ManifestPages<Listed>,
  path: string,
): Promise<boolean> {
  const number = await pages.findPage(path)
  const page = number === undefined ? undefined : await pages.readPage(number)
  return page?.[firstAtOrAfter(page, path)]?.path === path
}

function firstAtOrAfter(page: readonly { path: EntryPath }[], path: string): number {
  let [low, high] = [0, page.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (comparePaths(page[middle]!.path, path) < 0) low = middle + 1
    else high = middle
  }
  return low
}
