/** What a comparison comes to: the change in bytes, and which directories it comes from. */
import type { Difference } from '../browse/compare.ts'

export interface DirectoryDelta {
  /** Ends in a slash; the root is `/`. */
  directory: string
  bytes: number
  files: number
}

export function sizeOf(side: Difference['before']): number {
  return side?.entry.kind === 'file' ? side.entry.sizeBytes : 0
}

export function deltaOf(difference: Difference): number {
  return sizeOf(difference.after) - sizeOf(difference.before)
}

/** Change by directory of the given depth, largest magnitude first, at most `limit`. */
export function deltaByDirectory(
  differences: readonly Difference[],
  { depth, limit }: { depth: number; limit: number },
): DirectoryDelta[] {
  const found = new Map<string, DirectoryDelta>()
  const add = (path: string, bytes: number): void => {
    const segments = path.split('/').slice(0, -1).slice(0, depth)
    const directory = `${segments.join('/')}/`
    const known = found.get(directory)
    if (known === undefined) found.set(directory, { directory, bytes, files: 1 })
    else Object.assign(known, { bytes: known.bytes + bytes, files: known.files + 1 })
  }
  for (const difference of differences) {
    if (difference.kind === 'mode') continue
    if (difference.kind === 'moved') {
      add(difference.before.entry.path, -sizeOf(difference.before))
      add(difference.after.entry.path, sizeOf(difference.after))
    } else {
      add((difference.after ?? difference.before).entry.path, deltaOf(difference))
    }
  }
  return [...found.values()]
    .filter(({ bytes }) => bytes !== 0)
    .sort((a, b) => Math.abs(b.bytes) - Math.abs(a.bytes))
    .slice(0, limit)
}

/** The directory that most of a growth comes from, and its share; undefined when nothing grew. */
export function growthCause(
  deltas: readonly DirectoryDelta[],
  totalDelta: number,
): { directory: string; share: number } | undefined {
  const [first] = deltas
  if (first === undefined || totalDelta <= 0 || first.bytes <= 0) return undefined
  return { directory: first.directory, share: Math.min(1, first.bytes / totalDelta) }
}
