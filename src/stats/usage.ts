/** What the store holds and how much each layer saved:
 *
 *    logical − wholeFile = unique − chunk = chunks − compression = live;   live + dead = stored */
import type { ProjectFigures, StoreFigures } from '../metadata/metadata.ts'

/** All figures are bytes unless named otherwise. Figures about packs are null for a single project,
 *  because all projects share the packs. */
export interface Usage {
  artifacts: number
  files: number
  logicalBytes: number
  uniqueBytes: number
  storedBytes: number | null
  /** Logical bytes divided by the bytes that remain once each file and each chunk is kept once; at
   *  least 1. */
  dedupRatio: number
  savedBy: { wholeFile: number; chunk: number; compression: number | null }
  packs: number | null
  liveBytes: number | null
  deadBytes: number | null
}

export function usageOfStore(figures: StoreFigures): Usage {
  const { storedBytes, packs, liveBytes, chunkBytes } = figures
  const usage = usageOf(figures)
  return {
    ...usage,
    storedBytes,
    // Negative when incompressible data dominates, because of the overhead of framing.
    savedBy: { ...usage.savedBy, compression: chunkBytes - liveBytes },
    packs,
    liveBytes,
    deadBytes: storedBytes - liveBytes,
  }
}

/** A chunk counts for the project that uploaded it first, for as long as any project holds it,
 *  and a removed artifact counts in `uniqueBytes` until its undo period is over. So neither
 *  figure is bounded by what the project holds now, and both are clamped here. */
export function usageOfProject(figures: ProjectFigures): Usage {
  const uniqueBytes = Math.min(figures.uniqueBytes, figures.logicalBytes)
  const chunkBytes = Math.min(figures.chunkBytes, uniqueBytes)
  return usageOf({ ...figures, uniqueBytes, chunkBytes })
}

function usageOf(figures: ProjectFigures): Usage {
  const { artifacts, files, logicalBytes, uniqueBytes, chunkBytes } = figures
  // A project may hold only chunks that others uploaded first.
  const leftBytes = chunkBytes === 0 ? uniqueBytes : chunkBytes
  return {
    artifacts,
    files,
    logicalBytes,
    uniqueBytes,
    storedBytes: null,
    dedupRatio: leftBytes === 0 ? 1 : Math.max(1, logicalBytes / leftBytes),
    savedBy: {
      wholeFile: logicalBytes - uniqueBytes,
      chunk: uniqueBytes - chunkBytes,
      compression: null,
    },
    packs: null,
    liveBytes: null,
    deadBytes: null,
  }
}
