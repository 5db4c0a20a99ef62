/** Brings a directory to the state of an artifact, fetching only what the directory lacks:
 *
 *    1. Fetch the tree; meanwhile check files against the stat cache. Examine the rest of DEST and
 *       hash it.
 *    2. Find the parts that large files share with other versions of them in DEST.
 *    3. Fetch the rest and write it below `.trove-partial`, checking every file against its digest.
 *    4. Move it into place.
 *
 *  An interrupted download resumes with the files that are already complete. */
import { existsSync } from 'node:fs'
import { realpath } from 'node:fs/promises'
import { invalidRequest } from '../../core/errors.ts'
import { cacheFilePath } from '../cache/cache-files.ts'
import {
  createOpenedDirectories,
  type Destination,
  examineDestination,
  makeDestination,
  place,
  recallDestination,
  refuseReplacing,
  refuseRemoving,
  removeExtras,
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
import { fetchTree, type KnownLines, type TreeSource } from './fetched-tree.ts'
import { type FetchedTree, selectEntries, withoutSymlinks } from './tree-columns.ts'
import { FileError } from '../files/file-error.ts'
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
import { connectEarly } from '../transport/agents.ts'
import type { ServerAccess } from '../transport/http.ts'
import { checkCached, type CheckedCache } from '../cache/check-cached.ts'
import { earlierFiles, findKnown, type KnownFiles } from './known-files.ts'
import { type Ownership, ownPartial } from './partial-owner.ts'
import { moveIntoPlace, prepareLeaves } from './partial-tree.ts'
import { untilAborted } from '../files/until-aborted.ts'

export interface DownloadOptions {
  /** May be a promise that is still being resolved: worker threads start meanwhile. */
  artifact: TreeSource | Promise<TreeSource>
  /** Directory to bring to the state of the artifact; created if it is missing. */
  destination: string
  /** Globs of the paths to download; empty takes all. */
  paths?: readonly string[]
  /** Removes what the artifact does not have, and lets files replace directories. */
  delete?: boolean
  /** `skip` leaves symlinks out, for file systems and users that cannot have any. */
  symlinks?: 'keep' | 'skip' | undefined
  /** Only compares: DEST is not changed, and the result says what would be done. */
  dryRun?: boolean
  jobs?: number | undefined
  signal?: AbortSignal
  onProgress?(progress: DownloadProgress): void
  /** Called with each failure that is about to be retried. */
  onRetry?(failure: unknown): void
  /** Called with the entries that are to be in DEST, before it changes. */
  onWanted?(tree: FetchedTree, ordinals: readonly number[]): void
}

type CallOptions = DownloadOptions & { cacheDir: string | null; signal: AbortSignal }

/** Errors: FileError, NetworkError, digest_mismatch, blob_damaged, invalid_request (a glob), and
 *  the server's. */
export async function downloadArtifact(
  server: ServerAccess,
  pool: FilePool,
  options: CallOptions,
): Promise<DownloadResult> {
  const finding = Promise.resolve(options.artifact)
  // A rejection is handled below, unless something else fails first.
  finding.catch(() => {})
  connectEarly(server)
  // What is left out may be in DEST on purpose.
  if (options.delete === true && options.paths !== undefined && options.paths.length > 0)
    throw invalidRequest('paths', 'deleting requires downloading all paths')
  if (options.delete === true && options.symlinks === 'skip')
    throw invalidRequest('symlinks', 'deleting requires downloading symlinks, too')
  const call = { server, pool, finding, options }
  let ownership: Ownership | undefined
  const own = async (): Promise<void> => {
    makeDestination(options.destination)
    ownership = await ownPartial(options.destination)
  }
  try {
    if (options.dryRun === true) {
      const { downloading, missing } = await compare(call, async () => {})
      return plannedResult(downloading, missing, options.delete === true)
    }
    const comparison = await compare(call, own)
    if (comparison.matchesNothing) return doneResult(comparison.downloading, [], 0)
    const deletedPaths = await fetchAndPlace(comparison, options, () => ownership?.check())
    return doneResult(comparison.downloading, comparison.missing, deletedPaths)
  } finally {
    ownership?.end()
  }
}

interface DownloadCall {
  server: ServerAccess
  pool: FilePool
  finding: Promise<TreeSource>
  options: CallOptions
}

/** What is wanted, and how much of it DEST has. */
interface Comparison {
  downloading: Downloading
  /** Globs were given, and no path matches: DEST is not made. */
  matchesNothing: boolean
  checked: CheckedCache<DestinationCache>
  known: KnownFiles
  sorted: SortedEntries
  /** Files that no cache covers and in whose place DEST has a file, with any content. */
  present: number[]
  /** Files that DEST does not have with the right content. */
  missing: number[]
}

/** `prepare` is called before DEST is examined; for a missing DEST, only after the tree has been
 *  fetched and checked. */
async function compare(call: DownloadCall, prepare: () => Promise<void>): Promise<Comparison> {
  const { server, pool, options } = call
  // Nothing may be examined that another download is about to change.
  const exists = existsSync(options.destination)
  if (exists) await prepare()
  const { artifactId, tree, knownLines, checked } = await fetchTreeAndCheckCache(call)
  const selected = selectEntries(tree, options.paths)
  const wanted = options.symlinks === 'skip' ? withoutSymlinks(tree, selected) : selected
  refuseNames(tree, wanted)
  const matchesNothing = selected.length === 0 && tree.count > 0
  if (!exists && !matchesNothing) await prepare()
  refuseAlike(options.destination, tree, wanted)
  options.onWanted?.(tree, wanted)
  const known = findKnown(checked, tree, knownLines)
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
    artifactId,
    tree,
    wanted,
    skippedSymlinks: selected.length - wanted.length,
    earlier: earlierFiles(checked, known, server.url),
    findings: createFindings(tree.count),
    progress,
    signal: options.signal,
    reportProgress: () => options.onProgress?.(progress),
    reportRetry: (failure: unknown) => options.onRetry?.(failure),
  }
  const sorted = sortEntries(wanting, checked, known)
  const destination = readDestination(options, wanting, [...sorted.unknown, ...sorted.others])
  const downloading: Downloading = { ...wanting, destination }
  const present = sorted.unknown.filter((ordinal) => destination.places[ordinal] === place.same)
  const pathOf = (ordinal: number): string => `${destination.root}/${tree.path(ordinal)}`
  await checkFiles(downloading, present, pathOf)
  const absent = sorted.unknown.filter((ordinal) => !isThere(downloading.findings, ordinal))
  const missing = inOrder(absent, sorted.changed)
  return { downloading, matchesNothing, checked, known, sorted, present, missing }
}

/** Fetches the tree while cached files are checked: the server works meanwhile. */
async function fetchTreeAndCheckCache({ server, pool, finding, options }: DownloadCall): Promise<{
  artifactId: number
  tree: FetchedTree
  /** Null when the whole tree was fetched. */
  knownLines: readonly KnownLines[] | null
  checked: CheckedCache<DestinationCache>
}> {
  const { signal } = options
  const cache = await readDestinationCache(await cachePathOf(options))
  const checking = checkCached(pool, options.destination, cache, {
    // A file that is reached through a symlink is not in DEST.
    throughLinks: false,
    isFree: Promise.resolve(),
    signal,
  })
  // A rejection is handled below, unless fetching the tree fails first.
  checking.catch(() => {})
  const artifact = await untilAborted(finding, signal)
  const base = cache?.url === server.url && cache.text.length >= baseBytesMin ? cache : null
  const fetching = fetchTree(server, artifact, { base, signal })
  // Contents take two connections.
  connectEarly(server)
  const { tree, known: knownLines } = await fetching
  return { artifactId: artifact.id, tree, knownLines, checked: await checking }
}

/** Examines DEST, as far as the cache leaves entries `unknown`.
 *  Errors: FileError, when the download would replace or delete what it may not. */
function readDestination(
  { destination: root, delete: deletes }: DownloadOptions,
  { tree, wanted }: Pick<Downloading, 'tree' | 'wanted'>,
  unknown: number[],
): Destination {
  const isMostlyKnown = deletes !== true && unknown.length < unknownShare * wanted.length
  const recalled = isMostlyKnown ? recallDestination(root, tree, unknown) : undefined
  const destination = recalled ?? examineDestination(root, tree, wanted)
  if (deletes === true) refuseRemoving(destination)
  else refuseReplacing(destination, tree, wanted)
  return destination
}

/** Merges two lists, one of which is usually empty. */
function inOrder(a: number[], b: number[]): number[] {
  if (a.length === 0 || b.length === 0) return a.length === 0 ? b : a
  return [...a, ...b].toSorted((one, other) => one - other)
}

/** A smaller tree is fetched as fast as its changes are. */
const baseBytesMin = 16 * 1024

/** Below this share of unknown entries, examining each takes less time than a walk. */
const unknownShare = 0.1

/** Returns the number of deleted paths. `checkOwnership` throws if the partial tree was removed. */
async function fetchAndPlace(
  { downloading, checked, known, sorted, present, missing }: Comparison,
  options: CallOptions,
  checkOwnership: () => void,
): Promise<number> {
  const { server, pool, tree, destination, progress } = downloading
  progress.phase = 'fetching'
  // Reports once before fetching, with what was already there.
  downloading.reportProgress()
  const origin = { artifactId: downloading.artifactId, url: server.url }
  // DEST may not have existed before.
  const cachePath = await cachePathOf(options)
  const remembering = rememberDestination(cachePath, origin, tree, checked.cache)
  try {
    const fetching = fetchMissing(downloading, missing)
    // A rejection is handled below. The work until then overlaps with the server's response and
    // cannot fail.
    fetching.catch(() => {})
    const setModes = await compareDirectoryModes(downloading, {
      others: sorted.others,
      seen: checked.directories,
      unseen: [...sorted.unknown, ...sorted.others],
    })
    await fetching
    checkOwnership()
    progress.phase = 'placing'
    downloading.reportProgress()
    const mayDelete = options.delete === true
    const directories = createOpenedDirectories(destination.root)
    const deletedPaths = mayDelete ? removeExtras(destination, directories) : 0
    prepareLeaves(destination, tree, sorted.others)
    const moving = moveIntoPlace(pool, destination, tree, { mayDelete, directories })
    // A rejection is handled below; a worker thread moves files meanwhile.
    moving.catch(() => {})
    keepSettled(downloading, checked, {
      ...known,
      unsettled: [...sorted.unknown, ...sorted.changed],
    })
    noteMoved(downloading, await moving)
    correctModes(downloading, [...sorted.inOtherMode, ...present])
    // Last, because a mode may forbid entering the directory.
    setModes(directories.paths)
    checkOwnership()
    await remembering.save(downloading.findings.stats)
    return deletedPaths
  } catch (error) {
    await remembering.abandon()
    if (!(error instanceof Error && 'syscall' in error)) throw error
    // Another program changes DEST meanwhile, or owns a file whose mode is to be set.
    const reason = `cannot be written: ${error.message}`
    throw new FileError(options.destination, reason, { cause: error })
  }
}

/** Path of DEST's cache file; null when caching is off or DEST does not exist yet. */
async function cachePathOf({ cacheDir, destination }: CallOptions): Promise<string | null> {
  if (cacheDir === null || !existsSync(destination)) return null
  const key = JSON.stringify(['download', await realpath(destination)])
  return cacheFilePath(cacheDir, 'destination', key)
}
