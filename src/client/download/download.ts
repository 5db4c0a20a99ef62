/** A delta download: only what the directory lacks is fetched.
 *
 *    1. fetch the tree, and meanwhile look whether files are as the stat cache knows them;
 *       look at what else DEST has, and hash it;
 *    2. of large files that DEST has in another version, find the parts they share;
 *    3. fetch the rest, write it below `.trove-partial`, every file checked against its digest;
 *    4. move it into place.
 *  A download that was interrupted goes on with the whole files it left. */
import { existsSync } from 'node:fs'
import { realpath } from 'node:fs/promises'
import { storeError } from '../../core/errors.ts'
import { cacheFilePath } from '../cache/cache-files.ts'
import {
  createOpenedDirectories,
  examineDestination,
  place,
  recallDestination,
  refuseReplacing,
  removeStrangers,
} from './destination.ts'
import {
  type DestinationCache,
  readDestinationCache,
  rememberDestination,
} from './destination-cache.ts'
import { compareDirectoryModes } from './directory-modes.ts'
import { type DownloadResult, doneResult, plannedResult } from './download-result.ts'
import type { Downloading, DownloadProgress } from './downloading.ts'
import { fetchMissing } from './fetch-missing.ts'
import { FileError } from '../files/file-error.ts'
import { fetchTree, type TreeSource } from './fetched-tree.ts'
import { selectEntries } from './tree-columns.ts'
import type { FilePool } from '../files/file-pool.ts'
import {
  checkFiles,
  correctModes,
  createFindings,
  isThere,
  keepSettled,
  noteMoved,
  type SortedEntries,
  sortEntries,
} from './findings.ts'
import { refuseAlike, refuseNames } from './refused-names.ts'
import type { ServerAccess } from '../transport/http.ts'
import { lookAtKnown, type LookedAt } from '../cache/look-at-known.ts'
import { earlierFiles, findKnown, type KnownFiles } from './known-files.ts'
import { type Ownership, ownPartial } from './partial-owner.ts'
import { moveIntoPlace, prepareLeaves } from './partial-tree.ts'
import { untilAborted } from '../files/until-aborted.ts'
import { makeDirectories } from '../../make-directories.ts'

export interface DownloadOptions {
  /** A promise when it is still being looked up: the threads begin meanwhile. */
  artifact: TreeSource | Promise<TreeSource>
  /** Directory to bring into the state of the artifact; made when it is missing. */
  destination: string
  /** Globs of the paths to take; none takes all. */
  paths?: readonly string[]
  /** Removes what the artifact does not have, and lets files take the place of directories. */
  delete?: boolean
  /** Compares only: DEST stays as it is, and the result says what would be done. */
  dryRun?: boolean
  jobs?: number
  signal?: AbortSignal
  onProgress?(progress: DownloadProgress): void
  /** Told of what goes wrong and is tried again in a moment. */
  onRetry?(failure: unknown): void
}

type CallOptions = DownloadOptions & { cacheDir: string | null; signal: AbortSignal }

/** Errors: FileError, NetworkError, digest_mismatch, blob_damaged, invalid_request (a glob), the server's. */
export async function downloadArtifact(
  server: ServerAccess,
  pool: FilePool,
  options: CallOptions,
): Promise<DownloadResult> {
  const finding = Promise.resolve(options.artifact)
  // Met below, unless something else fails first.
  finding.catch(() => {})
  if (options.delete === true && options.paths !== undefined && options.paths.length > 0) {
    // What the globs leave out may be in DEST on purpose.
    throw storeError('invalid_request', 'a download of some paths cannot delete', {
      field: 'paths',
    })
  }
  let ownership: Ownership | undefined
  const own = async (): Promise<void> => {
    makeDestination(options.destination)
    ownership = await ownPartial(options.destination)
  }
  try {
    if (options.dryRun === true) {
      const { downloading, missing } = await compare(server, pool, finding, options, async () => {})
      return plannedResult(downloading, missing, options.delete === true)
    }
    const comparison = await compare(server, pool, finding, options, own)
    const deletedPaths = await fetchAndPlace(comparison, options, () => ownership?.check())
    return doneResult(comparison.downloading, comparison.missing, deletedPaths)
  } finally {
    ownership?.end()
  }
}

/** What is wanted, and what of it DEST has. */
interface Comparison {
  downloading: Downloading
  lookedAt: LookedAt<DestinationCache>
  known: KnownFiles
  sorted: SortedEntries
  /** Files of which nothing was known, in whose place DEST has one, whatever it holds. */
  present: number[]
  /** Files that DEST does not have as they should be. */
  missing: number[]
}

/** `prepare` is called before DEST is looked at, but not before there is something to bring to a DEST that is not there. */
async function compare(
  server: ServerAccess,
  pool: FilePool,
  finding: Promise<TreeSource>,
  options: CallOptions,
  prepare: () => Promise<void>,
): Promise<Comparison> {
  const { signal } = options
  // Nothing that is looked at may be what another download is about to change.
  const exists = existsSync(options.destination)
  if (exists) await prepare()
  const cache = await readDestinationCache(await cachePathOf(options))
  const looking = lookAtKnown(pool, options.destination, cache, {
    // A file that is seen through a link is not in DEST.
    throughLinks: false,
    isFree: Promise.resolve(),
    signal,
  })
  // Met below, unless the tree fails first.
  looking.catch(() => {})
  const artifact = await untilAborted(finding, signal)
  const base = cache?.url === server.url && cache.text.length >= baseBytesMin ? cache : null
  const { tree, known: knownLines } = await fetchTree(server, artifact, { base, signal })
  const lookedAt = await looking
  const wanted = selectEntries(tree, options.paths)
  refuseNames(tree, wanted)
  if (!exists) await prepare()
  refuseAlike(options.destination, tree, wanted)
  const known = findKnown(lookedAt, tree, knownLines)
  const progress: DownloadProgress = {
    phase: 'comparing',
    files: 0,
    totalBytes: 0,
    doneBytes: 0,
    fetchedBytes: 0,
  }
  const wanting = {
    server,
    pool,
    artifactId: artifact.id,
    tree,
    wanted,
    earlier: earlierFiles(lookedAt, known, server.url),
    findings: createFindings(tree.count),
    progress,
    signal,
    tell: () => options.onProgress?.(progress),
    tellRetry: (failure: unknown) => options.onRetry?.(failure),
  }
  const sorted = sortEntries(wanting, lookedAt, known)
  const unknown = [...sorted.unknown, ...sorted.others]
  const isMostlyKnown = options.delete !== true && unknown.length < unknownShare * wanted.length
  const destination = isMostlyKnown
    ? recallDestination(options.destination, tree, unknown)
    : examineDestination(options.destination, tree, wanted)
  if (options.delete !== true) refuseReplacing(destination, tree, wanted)
  const downloading: Downloading = { ...wanting, destination }
  const present = sorted.unknown.filter((ordinal) => destination.places[ordinal] === place.same)
  const pathOf = (ordinal: number): string => `${destination.root}/${tree.path(ordinal)}`
  await checkFiles(downloading, present, pathOf)
  const absent = sorted.unknown.filter((ordinal) => !isThere(downloading.findings, ordinal))
  const missing = inOrder(absent, sorted.changed)
  return { downloading, lookedAt, known, sorted, present, missing }
}

/** Of two lists, one of which is mostly empty. */
function inOrder(a: number[], b: number[]): number[] {
  if (a.length === 0 || b.length === 0) return a.length === 0 ? b : a
  return [...a, ...b].toSorted((one, other) => one - other)
}

/** Trees of fewer bytes are fetched as fast as what changed of them is found. */
const baseBytesMin = 16 * 1024

/** Below this share of unknown entries, looking at them takes less than a walk. */
const unknownShare = 0.1

/** Answers how many paths were deleted. `checkOwnership`: whether what was made is still there. */
async function fetchAndPlace(
  { downloading, lookedAt, known, sorted, present, missing }: Comparison,
  options: CallOptions,
  checkOwnership: () => void,
): Promise<number> {
  const { server, pool, tree, wanted, destination, progress } = downloading
  progress.phase = 'fetching'
  // Once before anything comes, with what was there.
  downloading.tell()
  const origin = { artifactId: downloading.artifactId, url: server.url }
  // DEST may not have been there before.
  const cachePath = await cachePathOf(options)
  const remembering = rememberDestination(cachePath, origin, tree, lookedAt.cache)
  try {
    const fetching = fetchMissing(downloading, missing)
    // Met below. What comes now is done while the server answers, and cannot fail.
    fetching.catch(() => {})
    const modes = await compareDirectoryModes({
      root: destination.root,
      tree,
      wanted,
      others: sorted.others,
      seen: lookedAt.directories,
      unseen: [...sorted.unknown, ...sorted.others],
    })
    await fetching
    checkOwnership()
    progress.phase = 'placing'
    downloading.tell()
    const mayDelete = options.delete === true
    const directories = createOpenedDirectories(destination.root)
    const deletedPaths = mayDelete ? removeStrangers(destination, directories) : 0
    prepareLeaves(destination, tree, sorted.others)
    const moving = moveIntoPlace(pool, destination, tree, { modes, mayDelete, directories })
    // Met below; a thread moves meanwhile.
    moving.catch(() => {})
    keepSettled(downloading, lookedAt, {
      ...known,
      unsettled: [...sorted.unknown, ...sorted.changed],
    })
    const moved = await moving
    checkOwnership()
    noteMoved(downloading, moved)
    correctModes(downloading, [...sorted.inOtherMode, ...present])
    await remembering.save(downloading.findings.stats)
    return deletedPaths
  } catch (error) {
    await remembering.abandon()
    throw error
  }
}

/** Where something about DEST is remembered: null when nothing is, or there is no DEST yet. */
async function cachePathOf({
  cacheDir,
  destination,
}: {
  cacheDir: string | null
  destination: string
}): Promise<string | null> {
  if (cacheDir === null || !existsSync(destination)) return null
  const key = JSON.stringify(['download', await realpath(destination)])
  return cacheFilePath(cacheDir, 'destination', key)
}

/** Errors: FileError. */
function makeDestination(path: string): void {
  try {
    makeDirectories(path)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const isInTheWay = code === 'EEXIST' || code === 'ENOTDIR'
    const reason = isInTheWay ? 'is not a directory' : `cannot be made: ${message}`
    throw new FileError(path, reason, { cause: error })
  }
}
