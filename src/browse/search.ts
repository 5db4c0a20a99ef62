/** Searches artifacts for paths, in steps: other requests run between two steps, and the search
 *  can be aborted there. */
import { isArtifactGone } from '../core/errors.ts'
import { isLive } from '../core/policy/retention.ts'
import type { Artifact, ComparedEntry, Metadata, SearchedStretch } from '../metadata/metadata.ts'

/** The matches of one step in one artifact; at least one. */
export interface Matches {
  artifact: Artifact
  found: ComparedEntry[]
}

/** The entry at which a search continues. If there is no artifact of that id, it continues with
 *  the next older one. */
export interface SearchPlace {
  artifactId: number
  ordinal: number
}

export interface Search {
  globs: readonly string[]
  /** Absent: starts at the beginning of the first artifact. */
  from?: SearchPlace | undefined
  /** Upper bound on the matches. */
  limit: number
  /** After this time, the current step is the last. */
  msMax: number
  now(): number
  signal: AbortSignal
}

/** Upper bound on the trees remembered as having no match. Consecutive builds often produce the
 *  same tree. */
const barrenTreesMax = 4096

/** Searches artifacts in the order given, which must be newest first. Yields the matches of each
 *  step and returns the place to continue at, or null when everything was searched. Skips
 *  artifacts that end meanwhile. Errors: the abort reason of `signal`, those of
 *  `compilePathGlobs`. */
export async function* searchArtifacts(
  reader: Pick<Metadata, 'searchTree'>,
  artifacts: AsyncIterable<Artifact>,
  { globs, from, limit, msMax, now, signal }: Search,
): AsyncGenerator<Matches, SearchPlace | null, undefined> {
  const until = performance.now() + msMax
  const barrenTrees = new Set<number>()
  let left = limit
  for await (const artifact of artifacts) {
    const first = from?.artifactId === artifact.id ? from.ordinal : 0
    const isWorthIt = isLive(artifact, now()) && !barrenTrees.has(artifact.manifestId)
    let isBarren = first === 0
    for (let ordinal: number | null = first; ordinal !== null;) {
      signal.throwIfAborted()
      const stretch: SearchedStretch | undefined = isWorthIt
        ? await searchLive(reader, artifact, globs, { ordinal, limit: left })
        : undefined
      const { found, next }: SearchedStretch = stretch ?? nothing
      if (stretch === undefined || found.length > 0) isBarren = false
      if (found.length > 0) yield { artifact, found }
      left -= found.length
      if (left === 0 || performance.now() >= until) return placeAfter(artifact, next)
      ordinal = next
    }
    if (isBarren && barrenTrees.size < barrenTreesMax) barrenTrees.add(artifact.manifestId)
  }
  return null
}

/** At the end of an artifact, the next place is the first one older than it. */
function placeAfter({ id }: Artifact, next: number | null): SearchPlace {
  return next === null ? { artifactId: id - 1, ordinal: 0 } : { artifactId: id, ordinal: next }
}

const nothing: SearchedStretch = { found: [], next: null }

/** Returns undefined when the artifact has ended. */
async function searchLive(
  reader: Pick<Metadata, 'searchTree'>,
  { id }: Artifact,
  globs: readonly string[],
  from: { ordinal: number; limit: number },
): Promise<SearchedStretch | undefined> {
  try {
    return await reader.searchTree(id, globs, from)
  } catch (error) {
    if (isArtifactGone(error)) return undefined
    throw error
  }
}
