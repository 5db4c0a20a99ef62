/** The history of a path: the versions of a file in the artifacts of one name, each with its first
 *  artifact. */
import { invalidRequest, isArtifactGone } from '../core/errors.ts'
import type { Artifact, ArtifactFilter, ComparedEntry, Metadata } from '../metadata/metadata.ts'
import { contentOf } from './difference.ts'
import { sameNameAs } from './previous.ts'

/** Artifacts examined by one call: about a second. */
const artifactsMax = 1000

/** Consecutive artifacts with the same content and mode at the path. */
export interface FileVersion {
  /** A file or symlink; null if the artifacts have neither at the path. */
  found: ComparedEntry | null
  newest: Artifact
  /** The artifact with which the version appeared, as far as live artifacts tell. */
  oldest: Artifact
  artifacts: number
}

export interface History {
  /** Newest first. */
  versions: FileVersion[]
  /** Pass as `beforeId` to continue; null at the end. The last version listed may continue as the
   *  first one of the next page. */
  next: number | null
}

/** Matches `artifact` and the artifacts before it of the same name and branch; with `beforeId` only
 *  those of a smaller id. Errors: invalid_request, when that leads past `artifact`. */
export function historyFilter(artifact: Artifact, beforeId = artifact.id + 1): ArtifactFilter {
  if (beforeId <= artifact.id + 1) return { ...sameNameAs(artifact), beforeId }
  const reason = 'cursor does not belong to this artifact'
  throw invalidRequest('cursor', reason)
}

/** Compares artifacts in the order given, which must be newest first (`historyFilter`). Returns at
 *  most `limit` versions and examines at most a thousand artifacts. Skips artifacts that end
 *  meanwhile. Errors: the abort reason of `signal`. */
export async function readHistory(
  reader: Pick<Metadata, 'findEntry'>,
  artifacts: AsyncIterable<Artifact>,
  path: string,
  { limit, signal }: { limit: number; signal: AbortSignal },
): Promise<History> {
  const versions: FileVersion[] = []
  let last: Artifact | undefined
  let examined = 0
  for await (const artifact of artifacts) {
    signal.throwIfAborted()
    if (examined === artifactsMax) return { versions, next: last!.id }
    const version = versions.at(-1)
    const found =
      version !== undefined && last?.treeDigest === artifact.treeDigest
        ? version.found
        : await findFile(reader, artifact, path)
    if (found === 'gone') continue
    if (version !== undefined && isSame(version.found, found)) {
      version.oldest = artifact
      version.artifacts++
    } else if (versions.length === limit) {
      return { versions, next: last!.id }
    } else {
      versions.push({ found, newest: artifact, oldest: artifact, artifacts: 1 })
    }
    last = artifact
    examined++
  }
  return { versions, next: null }
}

/** Returns `gone` if the artifact was removed since it was listed. */
async function findFile(
  reader: Pick<Metadata, 'findEntry'>,
  artifact: Artifact,
  path: string,
): Promise<ComparedEntry | null | 'gone'> {
  try {
    const found = await reader.findEntry(artifact.id, path)
    return found === undefined || found.entry.kind === 'directory' ? null : found
  } catch (error) {
    if (isArtifactGone(error)) return 'gone'
    throw error
  }
}

function isSame(a: ComparedEntry | null, b: ComparedEntry | null): boolean {
  if (a === null || b === null) return a === b
  return contentOf(a.entry) === contentOf(b.entry) && a.entry.mode === b.entry.mode
}
