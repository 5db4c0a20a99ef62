/** Searching artifacts for paths, in steps: between two of them others have their turn, and the search can end. */
import { hasCode } from '../core/errors.ts'
import { isLive } from '../core/retention.ts'
import type { Artifact, ComparedEntry, Metadata, SearchedStretch } from '../metadata/metadata.ts'

/** What one step found in one artifact: an entry at least. */
export interface Matches {
  artifact: Artifact
  found: ComparedEntry[]
}

/** What a search comes to next: an entry of an artifact. Where it has none of that id, it goes on with the next older one. */
export interface SearchPlace {
  artifactId: number
  ordinal: number
}

export interface Search {
  globs: readonly string[]
  /** Absent: from the beginning of the first artifact. */
  from?: SearchPlace | undefined
  /** Matches that are enough. */
  limit: number
  /** Once so much time has passed, the next step is the last. */
  msMax: number
  now(): number
  signal: AbortSignal
}

/** Trees that are remembered to hold no match: many builds in a row often make the same one. */
const barrenTreesMax = 4096

/** Goes through artifacts, which come newest first. Answers what each step found, and at last where to go on; null when all was
 *  searched. What ends meanwhile is passed over. Errors: whatever `signal` is aborted with, those of `compilePathGlobs`. */
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

/** Where an artifact ends, the place is before whatever is older. */
function placeAfter({ id }: Artifact, next: number | null): SearchPlace {
  return next === null ? { artifactId: id - 1, ordinal: 0 } : { artifactId: id, ordinal: next }
}

const nothing: SearchedStretch = { found: [], next: null }

/** Undefined when the artifact has ended. */
async function searchLive(
  reader: Pick<Metadata, 'searchTree'>,
  { id }: Artifact,
  globs: readonly string[],
  from: { ordinal: number; limit: number },
): Promise<SearchedStretch | undefined> {
  try {
    return await reader.searchTree(id, globs, from)
  } catch (error) {
    const isGone =
      hasCode(error, 'artifact_expired') ||
      hasCode(error, 'artifact_deleted') ||
      hasCode(error, 'artifact_not_found')
    if (isGone) return undefined
    throw error
  }
}
