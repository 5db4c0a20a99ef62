/** What the store holds and how much each layer saved:
 *
 *    logical + removed − wholeFile = unique;   unique − chunk = chunks
 *    chunks − compression = live;              live + dead = stored */
import type { ProjectFigures, StoreFigures } from '../metadata/metadata.ts'

/** All figures are bytes unless named otherwise. Figures about packs are null for projects,
 *  because all projects share the packs. */
export interface Usage {
  artifacts: number
  files: number
  logicalBytes: number
  /** Logical bytes of deleted artifacts that still hold their content, because they can be restored
   *  or are being read. */
  removedBytes: number
  uniqueBytes: number
  storedBytes: number | null
  /** Logical and removed bytes divided by the bytes that remain once each file and each chunk is
   *  kept once; at least 1. */
  dedupRatio: number
  /** Never negative, except `compression`: where incompressible data dominates, framing costs more
   *  than compression saves, and content of uploads in progress is in packs already. */
  savedBy: { wholeFile: number; chunk: number; compression: number | null }
  packs: number | null
  liveBytes: number | null
  deadBytes: number | null
}

export function usageOfStore(figures: StoreFigures): Usage {
  const { storedBytes, packs, liveBytes } = figures
  const usage = usageOfProject(figures)
  const leftBytes = usage.uniqueBytes - usage.savedBy.chunk
  return {
    ...usage,
    storedBytes,
    savedBy: { ...usage.savedBy, compression: leftBytes - liveBytes },
    packs,
    liveBytes,
    deadBytes: storedBytes - liveBytes,
  }
}

/** The sums; what several of the projects hold counts in each. */
export function usageOfProjects(figures: readonly ProjectFigures[]): Usage {
  const sum = (of: keyof ProjectFigures): number =>
    figures.reduce((total, each) => total + each[of], 0)
  return usageOfProject({
    artifacts: sum('artifacts'),
    files: sum('files'),
    logicalBytes: sum('logicalBytes'),
    removedBytes: sum('removedBytes'),
    uniqueBytes: sum('uniqueBytes'),
    chunkBytes: sum('chunkBytes'),
  })
}

/** Unique and chunk bytes are clamped. Content counts as unique until garbage collection has
 *  cleared the rows of a released artifact. Chunks count while uploads are in progress, and in
 *  the project that uploaded them first for as long as any project holds them. */
export function usageOfProject(figures: ProjectFigures): Usage {
  const { artifacts, files, logicalBytes, removedBytes } = figures
  const heldBytes = logicalBytes + removedBytes
  const uniqueBytes = Math.min(figures.uniqueBytes, heldBytes)
  const chunkBytes = Math.min(figures.chunkBytes, uniqueBytes)
  // A project may hold only chunks that others uploaded first.
  const leftBytes = chunkBytes === 0 ? uniqueBytes : chunkBytes
  return {
    artifacts,
    files,
    logicalBytes,
    removedBytes,
    uniqueBytes,
    storedBytes: null,
    dedupRatio: leftBytes === 0 ? 1 : Math.max(1, heldBytes / leftBytes),
    savedBy: {
      wholeFile: heldBytes - uniqueBytes,
      chunk: uniqueBytes - chunkBytes,
      compression: null,
    },
    packs: null,
    liveBytes: null,
    deadBytes: null,
  }
}
