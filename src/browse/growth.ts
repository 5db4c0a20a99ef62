/** Summarizes a comparison: the directories and files that account for the change in bytes.
 *  Covers every difference, however many there are; memory is bounded by the size of the result. */
import { type Difference, deltaOf } from './difference.ts'

export interface DirectoryDelta {
  /** Ends in a slash; the root is `/`. */
  directory: string
  bytes: number
  files: number
}

export interface Growth {
  /** The directories, up to three levels deep, with the largest change in either direction,
   *  largest first. */
  directories: DirectoryDelta[]
  /** The files with the largest change, in the same order. */
  paths: Difference[]
  /** The directory, up to two levels deep, that accounts for most of the growth, and its share;
   *  null when nothing grew. */
  cause: { directory: string; share: number } | null
}

export interface GrowthSum {
  /** Must be called in path order, before moves are matched: a moved file counts as removed from
   *  one directory and added to another. */
  addToDirectories(difference: Difference): void
  /** May be called in any order; a matched move counts as one difference. */
  addToPaths(difference: Difference): void
  growth(): Growth
}

const shownMax = 12

export function createGrowthSum(): GrowthSum {
  const shown = createDirectorySum(3, shownMax)
  const causes = createDirectorySum(2, 1)
  const paths = createLargest(shownMax, deltaOf)
  let totalBytes = 0
  return {
    addToDirectories: (difference) => {
      if (difference.kind === 'mode') return
      const { path } = (difference.after ?? difference.before).entry
      const bytes = deltaOf(difference)
      totalBytes += bytes
      shown.add(path, bytes)
      causes.add(path, bytes)
    },
    addToPaths: paths.add,
    growth: () => {
      const [first] = causes.largest()
      const isGrowth = first !== undefined && totalBytes > 0 && first.bytes > 0
      return {
        directories: shown.largest(),
        paths: paths.found,
        cause: isGrowth
          ? { directory: first.directory, share: Math.min(1, first.bytes / totalBytes) }
          : null,
      }
    },
  }
}

/** Sums changes by directories of at most `depth` levels and keeps the `limit` largest. The
 *  number of directories is unbounded, but paths arrive in order, so only the nested directories
 *  around the current path are open at a time. */
function createDirectorySum(
  depth: number,
  limit: number,
): { add(path: string, bytes: number): void; largest(): DirectoryDelta[] } {
  const open: DirectoryDelta[] = []
  const closed = createLargest<DirectoryDelta>(limit, ({ bytes }) => bytes)
  const close = (): void => closed.add(open.pop()!)
  return {
    add: (path, bytes) => {
      const directory = directoryOf(path, depth)
      while (open.length > 0 && !isBelow(path, open.at(-1)!.directory)) close()
      if (open.at(-1)?.directory !== directory) open.push({ directory, bytes: 0, files: 0 })
      const last = open.at(-1)!
      last.bytes += bytes
      last.files += 1
    },
    largest: () => {
      while (open.length > 0) close()
      return closed.found
    },
  }
}

/** The first `depth` levels of the path's directory. */
function directoryOf(path: string, depth: number): string {
  let end = -1
  for (let level = 0; level < depth; level++) {
    const next = path.indexOf('/', end + 1)
    if (next < 0) break
    end = next
  }
  return end < 0 ? '/' : path.slice(0, end + 1)
}

function isBelow(path: string, directory: string): boolean {
  return directory === '/' || path.startsWith(directory)
}

/** Keeps the items with the largest change in a sorted list of bounded length. */
function createLargest<T>(
  limit: number,
  bytesOf: (item: T) => number,
): { add(item: T): void; found: T[] } {
  const found: T[] = []
  const add = (item: T): void => {
    const size = Math.abs(bytesOf(item))
    if (size === 0) return
    const place = found.findIndex((each) => Math.abs(bytesOf(each)) < size)
    if (place < 0 && found.length === limit) return
    found.splice(place < 0 ? found.length : place, 0, item)
    if (found.length > limit) found.pop()
  }
  return { add, found }
}
