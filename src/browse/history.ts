/** The history of a path: the versions of a file in the artifacts of one name, each with its first
 *  artifact. */
import { isArtifactGone, storeError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { Artifact, ComparedEntry, Metadata } from '../metadata/metadata.ts'
import { contentOf } from './difference.ts'
import { noSuchPath } from './no-such-path.ts'
import { sameNameAs } from './previous.ts'

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

/** Artifacts read from the database at a time. */
const pageLength = 100

/** Compares `artifact` and the live artifacts before it of the same name and branch. Returns at
 *  most `limit` versions and examines at most `limits.historyArtifactsMax` artifacts. Without
 *  `beforeId` the history starts with `artifact` itself. Errors: not_found when no examined
 *  artifact has a file or symlink at the path; the abort reason of `signal`. */
export async function readHistory(
  metadata: Pick<Metadata, 'findArtifacts' | 'findEntry'>,
  artifact: Artifact,
  path: string,
  options: { limit: number; beforeId: number | undefined; now: number; signal: AbortSignal },
): Promise<History> {
  const { limit, now, signal } = options
  const beforeId = options.beforeId ?? artifact.id + 1
  if (beforeId > artifact.id + 1)
    throw storeError('invalid_request', 'cursor does not belong to this artifact', {
      field: 'cursor',
    })
  const versions: FileVersion[] = []
  let examined: Artifact | undefined
  let count = 0
  let isCut = false
  for await (const each of artifactsBefore(metadata, artifact, { beforeId, now })) {
    signal.throwIfAborted()
    if (count === limits.historyArtifactsMax) {
      isCut = true
      break
    }
    const version = versions.at(-1)
    const found =
      version !== undefined && examined?.treeDigest === each.treeDigest
        ? version.found
        : await findFile(metadata, each, path)
    if (found === 'gone') continue
    if (version !== undefined && isSame(version.found, found)) {
      version.oldest = each
      version.artifacts++
    } else if (versions.length === limit) {
      isCut = true
      break
    } else {
      versions.push({ found, newest: each, oldest: each, artifacts: 1 })
    }
    examined = each
    count++
  }
  const isNowhere = versions.every(({ found }) => found === null)
  if (isNowhere && !isCut && options.beforeId === undefined) throw noSuchPath(artifact, path)
  return { versions, next: isCut ? examined!.id : null }
}

/** Newest first. */
async function* artifactsBefore(
  metadata: Pick<Metadata, 'findArtifacts'>,
  artifact: Artifact,
  { beforeId, now }: { beforeId: number; now: number },
): AsyncGenerator<Artifact, void, undefined> {
  const page = { limit: pageLength, offset: 0, sort: 'newest', now } as const
  for (let before: number | undefined = beforeId; before !== undefined;) {
    const filter = { ...sameNameAs(artifact), beforeId: before }
    const found: Artifact[] = await metadata.findArtifacts(filter, page)
    yield* found
    before = found.length < pageLength ? undefined : found.at(-1)?.id
  }
}

/** Returns `gone` if the artifact was removed since it was listed. */
async function findFile(
  metadata: Pick<Metadata, 'findEntry'>,
  artifact: Artifact,
  path: string,
): Promise<ComparedEntry | null | 'gone'> {
  try {
    const found = await metadata.findEntry(artifact.id, path)
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
