/** What a comparison comes to: which directories and files the change in bytes comes from. */
import { type Difference, slicesOf } from './compare.ts'

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
  /** The directory, of two levels, that most of a growth comes from, and its share; undefined when nothing grew. */
  cause: { directory: string; share: number } | undefined
}

const shownMax = 12

export function sizeOf(side: Difference['before']): number {
  return side?.entry.kind === 'file' ? side.entry.sizeBytes : 0
}

export function deltaOf(difference: Difference): number {
  return sizeOf(difference.after) - sizeOf(difference.before)
}

/** Others have their turn meanwhile. Errors: whatever `signal` is aborted with. */
export async function growthOf(
  differences: readonly Difference[],
  totalDelta: number,
  signal?: AbortSignal,
): Promise<Growth> {
  const shown = new Map<string, DirectoryDelta>()
  const causes = new Map<string, DirectoryDelta>()
  const add = (path: string, bytes: number): void => {
    addTo(shown, directoryOf(path, 3), bytes)
    addTo(causes, directoryOf(path, 2), bytes)
  }
  const paths = createLargest(shownMax, deltaOf)
  for await (const slice of slicesOf(differences, signal)) {
    for (const difference of slice) {
      if (difference.kind === 'mode') continue
      paths.add(difference)
      if (difference.kind === 'moved') {
        add(difference.before.entry.path, -sizeOf(difference.before))
        add(difference.after.entry.path, sizeOf(difference.after))
      } else {
        add((difference.after ?? difference.before).entry.path, deltaOf(difference))
      }
    }
  }
  const [first] = largest(causes.values(), 1)
  return {
    directories: largest(shown.values(), shownMax),
    paths: paths.found,
    cause:
      first === undefined || totalDelta <= 0 || first.bytes <= 0
        ? undefined
        : { directory: first.directory, share: Math.min(1, first.bytes / totalDelta) },
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

function addTo(found: Map<string, DirectoryDelta>, directory: string, bytes: number): void {
  const known = found.get(directory)
  if (known === undefined) {
    found.set(directory, { directory, bytes, files: 1 })
  } else {
    known.bytes += bytes
    known.files++
  }
}

function largest(deltas: Iterable<DirectoryDelta>, limit: number): DirectoryDelta[] {
  const { add, found } = createLargest<DirectoryDelta>(limit, ({ bytes }) => bytes)
  for (const delta of deltas) add(delta)
  return found
}

/** Finds those that changed most, without sorting all: every file can have a directory of its own. */
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
