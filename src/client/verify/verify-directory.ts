/** Compares a directory with an artifact. Reads every byte, whatever a cache says. Changes
 *  nothing, and follows no symlinks. */
import { readlinkSync, type Stats, statSync } from 'node:fs'
import { join } from 'node:path'
import { defaultDirectoryMode, formatMode, parentOf } from '../../core/manifest/entry.ts'
import { invalidRequest } from '../../core/errors.ts'
import { nothingMatches } from '../../core/glob/path-glob.ts'
import { digestBytes } from '../../core/bytes/digest.ts'
import { type Destination, examineDestination, kindOf, place } from '../download/destination.ts'
import { directoriesOf, explicitModes } from '../download/directory-modes.ts'
import { fetchTree, type TreeSource } from '../download/fetched-tree.ts'
import { hashPresent } from '../download/hash-present.ts'
import { refuseNames } from '../download/refused-names.ts'
import { type FetchedTree, firstFrom, selectEntries } from '../download/tree-columns.ts'
import { FileError, namedFileError } from '../files/file-error.ts'
import type { FilePool } from '../files/file-pool.ts'
import { hashColumns } from '../files/file-tasks.ts'
import { tryLstat } from '../files/real-directories.ts'
import { withSlashes } from '../files/paths.ts'
import { isMode } from '../files/system.ts'
import { untilAborted } from '../files/until-aborted.ts'
import type { ServerAccess } from '../transport/http.ts'
import type { Attestation } from './attestation.ts'
import {
  createDifferences,
  type DifferenceCounts,
  type Differences,
  type TreeDifference,
} from './differences.ts'

export interface VerifyOptions {
  /** An attestation needs no server. */
  artifact: TreeSource | Promise<TreeSource> | Attestation
  directory: string
  /** Globs of the paths to compare; empty compares all. */
  paths?: readonly string[]
  /** Whether paths that the artifact does not have count as differences. */
  extra?: boolean
  jobs?: number | undefined
  signal?: AbortSignal
  onProgress?(progress: VerifyProgress): void
}

export interface VerifyProgress {
  files: number
  /** Content bytes of all files. */
  totalBytes: number
  /** Content bytes of files that were compared or are missing. */
  doneBytes: number
}

export interface VerifyResult extends DifferenceCounts {
  /** Of the artifact's selected part: entries of all kinds, files, and content bytes. */
  entries: number
  files: number
  logicalBytes: number
  /** In path order, created as they are read. */
  differences: Iterable<TreeDifference>
}

/** Errors: FileError (of a directory), no_files (no path matches), NetworkError,
 *  digest_mismatch, invalid_request, and the server's codes. */
export async function verifyDirectory(
  server: ServerAccess,
  pool: FilePool,
  options: VerifyOptions & { signal: AbortSignal },
): Promise<VerifyResult> {
  const { directory, paths = [], extra = false, signal } = options
  const artifact = await untilAborted(Promise.resolve(options.artifact), signal)
  if (extra && paths.length > 0) {
    // Paths that the globs leave out may be in the directory on purpose.
    throw invalidRequest('paths', 'extra paths can only be found when all paths are compared')
  }
  requireDirectory(directory)
  const { tree } =
    'tree' in artifact ? artifact : await fetchTree(server, artifact, { base: null, signal })
  const wanted = selectEntries(tree, paths)
  if (wanted.length === 0 && paths.length > 0) throw nothingMatches(paths)
  refuseNames(tree, wanted)
  const destination = examineDestination(directory, tree, wanted)
  const differences = createDifferences(tree)
  const progress: VerifyProgress = { files: 0, totalBytes: 0, doneBytes: 0 }
  const present = sortOut(destination, tree, wanted, { differences, progress })
  await compareDirectories(destination, tree, wanted, differences)
  if (extra) addExtra(destination, tree, differences)
  const pathOf = (ordinal: number): string => join(directory, tree.path(ordinal))
  options.onProgress?.(progress)
  await hashPresent({ pool, tree, signal }, present, pathOf, (batch, { stats, digests }) => {
    for (const [index, ordinal] of batch.entries()) {
      const mode = stats[(index + 1) * hashColumns - 1]!
      if (Number.isNaN(stats[index * hashColumns])) differences.note(ordinal, 'unreadable')
      else if (!tree.hasDigest(ordinal, digests, index * digestBytes))
        differences.note(ordinal, 'content')
      else if (!isMode(mode, tree.mode(ordinal))) differences.noteMode(ordinal, mode)
      progress.doneBytes += tree.sizeBytes(ordinal)
    }
    options.onProgress?.(progress)
  })
  return {
    entries: wanted.length,
    files: progress.files,
    logicalBytes: progress.totalBytes,
    ...differences.counts,
    differences: { [Symbol.iterator]: differences.inOrder },
  }
}

/** Errors: FileError. */
function requireDirectory(path: string): void {
  let found: Stats
  try {
    found = statSync(path)
  } catch (error) {
    throw namedFileError(path, error)
  }
  if (!found.isDirectory()) throw new FileError(path, 'is not a directory')
}

/** Returns the files that are present. Records those that are not, and compares symlinks. */
function sortOut(
  { root, places }: Destination,
  tree: FetchedTree,
  wanted: readonly number[],
  { differences, progress }: { differences: Differences; progress: VerifyProgress },
): number[] {
  const present: number[] = []
  for (const ordinal of wanted) {
    const kind = tree.kind(ordinal)
    if (kind === 'directory') continue
    const isFile = kind === 'file'
    if (isFile) {
      progress.files += 1
      progress.totalBytes += tree.sizeBytes(ordinal)
    }
    const isSame = places[ordinal] === place.same
    if (isSame && isFile) {
      present.push(ordinal)
      continue
    }
    if (isFile) progress.doneBytes += tree.sizeBytes(ordinal)
    const path = join(root, tree.path(ordinal))
    if (isSame) compareLink(path, tree, ordinal, differences)
    else if (places[ordinal] === place.absent) differences.note(ordinal, 'missing')
    else differences.noteFound(ordinal, 'kind', kindAt(path))
  }
  return present
}

function compareLink(
  path: string,
  tree: FetchedTree,
  ordinal: number,
  differences: Differences,
): void {
  let target: string
  try {
    target = withSlashes(readlinkSync(path))
  } catch {
    differences.note(ordinal, 'unreadable')
    return
  }
  if (target !== tree.linkTarget(ordinal)) differences.noteFound(ordinal, 'target', target)
}

/** Also handles a path that has disappeared a moment ago. */
function kindAt(path: string): string {
  const found = tryLstat(path)
  return found === undefined ? 'other' : kindOf(found)
}

/** Compares directories that are entries and those implied by the paths of entries. When an
 *  implied one is missing, only the missing entries in it are recorded. */
async function compareDirectories(
  { root, hasDirectory }: Destination,
  tree: FetchedTree,
  wanted: readonly number[],
  differences: Differences,
): Promise<void> {
  const explicit = explicitModes(tree)
  const directories = await directoriesOf(tree, wanted)
  for (const ordinal of wanted)
    if (tree.kind(ordinal) === 'directory') directories.add(tree.path(ordinal))
  for (const path of directories) {
    const isReached = hasDirectory(parentOf(path))
    const found = isReached ? tryLstat(join(root, path)) : undefined
    if (found === undefined) {
      if (explicit.has(path))
        differences.add({ kind: 'missing', path, expected: null, found: null })
      continue
    }
    const kind = kindOf(found)
    const expected = explicit.get(path) ?? defaultDirectoryMode
    if (kind !== 'directory')
      differences.add({ kind: 'kind', path, expected: 'directory', found: kind })
    else if (!isMode(found.mode, expected))
      differences.add({
        kind: 'mode',
        path,
        expected: formatMode(expected),
        found: formatMode(found.mode & 0o777),
      })
  }
}

function addExtra({ extras }: Destination, tree: FetchedTree, differences: Differences): void {
  for (const path of extras) {
    const ordinal = firstFrom(tree, path)
    // A directory in place of another kind of entry has been recorded already.
    if (ordinal < tree.count && tree.path(ordinal) === path) continue
    differences.add({ kind: 'extra', path, expected: null, found: null })
  }
}
