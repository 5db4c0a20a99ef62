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
  /** Logical bytes divided by the bytes that remain once each file and each chunk is kept once; 1
   *  for an empty store. */
  dedupRatio: number
  savedBy: { wholeFile: number; chunk: number; compression: number | null }
  packs: number | null
  liveBytes: number | null
  deadBytes: number | null
}

export function usageOfStore(figures: StoreFigures): Usage {
  const { storedBytes, packs, liveBytes } = figures
  const usage = usageOfProject(figures)
  return {
    ...usage,
    storedBytes,
    // Negative when incompressible data dominates, because of the overhead of framing.
    savedBy: { ...usage.savedBy, compression: figures.chunkBytes - liveBytes },
    packs,
    liveBytes,
    deadBytes: storedBytes - liveBytes,
  }
}

export function usageOfProject(figures: ProjectFigures): Usage {
  const { artifacts, files, logicalBytes, uniqueBytes, chunkBytes } = figures
  return {
    artifacts,
    files,
    logicalBytes,
    uniqueBytes,
    storedBytes: null,
    dedupRatio: chunkBytes === 0 ? 1 : logicalBytes / chunkBytes,
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
