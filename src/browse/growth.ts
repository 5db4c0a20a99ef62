/** What a comparison comes to: which directories and files the change in bytes comes from. Every difference counts, however many
 *  there are; memory is bounded by what is answered. */
import { type Difference, deltaOf } from './difference.ts'

export interface DirectoryDelta {
  /** Ends in a slash; the root is `/`. */
  directory: string
  bytes: number
  files: number
}

export interface Growth {
  /** Change by directory, three levels deep, largest magnitude first: the first of them. */
  directories: DirectoryDelta[]
  /** What changed most, likewise. */
  paths: Difference[]
  /** The directory, of two levels, that most of a growth comes from, and its share; null when nothing grew. */
  cause: { directory: string; share: number } | null
}

export interface GrowthSum {
  /** In the order of paths, before moves are known: what is moved is removed in one directory and added in another. */
  addToDirectories(difference: Difference): void
  /** In any order, as it is told. */
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

/** Adds up by directories of at most `depth` levels, and keeps the `limit` that changed most. Every file can have a directory of
 *  its own; but what lies below one stands together in the order of paths, so that those are open at a time which lie in each
 *  other. */
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

/** At most `depth` levels of it. */
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

/** Keeps those that changed most, without sorting all. */
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
