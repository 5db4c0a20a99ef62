/** A delta download: only what the directory lacks is fetched.
 *
 *    1. fetch the tree; look at what DEST has, hashing what the stat cache does not know;
 *    2. of large files that DEST has in another version, find the parts they share;
 *    3. fetch the rest, write it below `.trove-partial`, every file checked against its digest;
 *    4. move it into place.
 *  A download that was interrupted goes on with the whole files it left. */
import assert from 'node:assert'
import {
  closeSync,
  chmodSync,
  copyFileSync,
  ftruncateSync,
  lstatSync,
  rmSync,
  utimesSync,
} from 'node:fs'
import { realpath, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Digest, digestFromBytes, digestToBytes } from '../core/digest.ts'
import { limits } from '../core/limits.ts'
import { compilePathGlobs } from '../core/path-glob.ts'
import {
  type Destination,
  examineDestination,
  moveIntoPlace,
  place,
  prepareLeaves,
  removeStrangers,
  tidyPartial,
} from './destination.ts'
import { fetchBlobs, type Receiver } from './fetch-blobs.ts'
import { type FetchedTree, fetchTree } from './fetched-tree.ts'
import type { FilePool } from './file-pool.ts'
import { hashColumns, type PlacedFile } from './file-tasks.ts'
import { NetworkError, type ServerAccess } from './http.ts'
import { openNew } from './place-files.ts'
import { planWants } from './plan-wants.ts'
import {
  createStatCacheWriter,
  digestBytes,
  isRacy,
  readStatCache,
  statCachePath,
  statColumns,
} from './stat-cache.ts'

export interface DownloadOptions {
  artifact: { id: number; treeDigest: string }
  /** Directory to bring into the state of the artifact; made when it is missing. */
  destination: string
  /** Globs of the paths to take; none takes all. */
  paths?: readonly string[]
  /** Removes what the artifact does not have, and lets files take the place of directories. */
  delete?: boolean
  jobs?: number
  signal?: AbortSignal
  onProgress?(progress: DownloadProgress): void
}

export interface DownloadProgress {
  phase: 'comparing' | 'fetching' | 'placing'
  files: number
  totalBytes: number
  /** Content bytes that DEST had, or that have been fetched. */
  doneBytes: number
  /** Stored bytes that have been received. */
  fetchedBytes: number
}

export interface DownloadResult {
  files: number
  logicalBytes: number
  /** Files that were written, and stored bytes that were received for them. */
  writtenFiles: number
  fetchedBytes: number
  deletedPaths: number
}

/** What is known of the wanted files on this disk. */
interface Findings {
  /** `hashColumns` numbers an entry; size NaN for files that are not there as they should be. */
  stats: Float64Array
  settled: Uint8Array
}

interface Downloading {
  server: ServerAccess
  pool: FilePool
  artifactId: number
  tree: FetchedTree
  wanted: number[]
  destination: Destination
  findings: Findings
  progress: DownloadProgress
  signal: AbortSignal
  tell(): void
}

/** Errors: FileError, NetworkError, digest_mismatch, blob_damaged, invalid_request (a glob), the server's. */
export async function downloadArtifact(
  server: ServerAccess,
  pool: FilePool,
  options: DownloadOptions & { cacheDir: string | null },
): Promise<DownloadResult> {
  const signal = options.signal ?? new AbortController().signal
  const tree = await fetchTree(server, options.artifact, signal)
  const wanted = selectEntries(tree, options.paths)
  const progress: DownloadProgress = {
    phase: 'comparing',
    files: 0,
    totalBytes: 0,
    doneBytes: 0,
    fetchedBytes: 0,
  }
  for (const ordinal of wanted) {
    if (tree.kind(ordinal) === 'file') progress.files += 1
    progress.totalBytes += tree.sizeBytes(ordinal)
  }
  const destination = examineDestination(options.destination, tree, wanted)
  const cachePath =
    options.cacheDir === null
      ? null
      : statCachePath(
          options.cacheDir,
          JSON.stringify(['download', await realpath(options.destination)]),
        )
  const findings = createFindings(tree.count)
  const downloading: Downloading = {
    server,
    pool,
    artifactId: options.artifact.id,
    tree,
    wanted,
    destination,
    findings,
    progress,
    signal,
    tell: () => options.onProgress?.(progress),
  }
  const present = wanted.filter(
    (ordinal) => tree.kind(ordinal) === 'file' && destination.places[ordinal] === place.same,
  )
  await checkFiles(downloading, present, { root: destination.root, cachePath })
  const missing = wanted.filter(
    (ordinal) =>
      tree.kind(ordinal) === 'file' && Number.isNaN(findings.stats[ordinal * hashColumns]),
  )
  progress.phase = 'fetching'
  await fetchMissing(downloading, missing)
  progress.phase = 'placing'
  downloading.tell()
  const deletedPaths = options.delete === true ? removeStrangers(destination) : 0
  prepareLeaves(destination, tree, wanted)
  const moved = moveIntoPlace(destination, tree, { wanted, mayDelete: options.delete === true })
  correctModes(downloading, present)
  if (cachePath !== null) saveCache(downloading, cachePath, new Set(moved))
  return {
    files: progress.files,
    logicalBytes: progress.totalBytes,
    writtenFiles: missing.length,
    fetchedBytes: progress.fetchedBytes,
    deletedPaths,
  }
}

function selectEntries(tree: FetchedTree, globs: readonly string[] | undefined): number[] {
  const all = Array.from(tree.paths.keys())
  if (globs === undefined || globs.length === 0) return all
  const matches = compilePathGlobs(globs)
  return all.filter((ordinal) => matches(tree.paths[ordinal]!))
}

function createFindings(count: number): Findings {
  return {
    stats: new Float64Array(count * hashColumns).fill(Number.NaN),
    settled: new Uint8Array(count),
  }
}

const filesPerTask = 128

/** Hashes files where `cachePath` does not know them; those that have the wanted digest are noted as there. */
async function checkFiles(
  { pool, tree, findings, progress, tell }: Downloading,
  ordinals: readonly number[],
  { root, cachePath }: { root: string; cachePath: string | null },
): Promise<void> {
  const cache = cachePath === null ? undefined : readStatCache(cachePath)
  const find = cache === undefined || cache.count === 0 ? undefined : cache.cursor()
  const checks: Promise<void>[] = []
  for (let first = 0; first < ordinals.length; first += filesPerTask) {
    const batch = ordinals.slice(first, first + filesPerTask)
    const paths = batch.map((ordinal) => `${root}/${tree.paths[ordinal]!}\0`).join('')
    let known: { stats: Float64Array; digests: Uint8Array } | null = null
    if (find !== undefined) {
      known = {
        stats: new Float64Array(batch.length * statColumns).fill(Number.NaN),
        digests: new Uint8Array(batch.length * digestBytes),
      }
      for (const [index, ordinal] of batch.entries()) {
        const file = find(tree.paths[ordinal]!)
        if (file === undefined) continue
        known.stats.set(file.stats, index * statColumns)
        known.digests.set(file.digest, index * digestBytes)
      }
    }
    const check = pool.run({ kind: 'check', paths, known }).then(({ stats, digests, settled }) => {
      for (const [index, ordinal] of batch.entries()) {
        const digest = digestFromBytes(
          digests.subarray(index * digestBytes, (index + 1) * digestBytes),
        )
        if (Number.isNaN(stats[index * hashColumns]) || digest !== tree.digest(ordinal)) continue
        findings.stats.set(
          stats.subarray(index * hashColumns, (index + 1) * hashColumns),
          ordinal * hashColumns,
        )
        findings.settled[ordinal] = settled[index]!
        progress.doneBytes += tree.sizeBytes(ordinal)
      }
      tell()
    })
    check.catch(() => {})
    checks.push(check)
  }
  await Promise.all(checks)
}

const networkTriesMax = 6
const firstPauseMs = 300

/** Fetches what is missing, again and again while the network breaks but something gets through. */
async function fetchMissing(downloading: Downloading, missing: readonly number[]): Promise<void> {
  const { destination, tree, progress, signal, findings } = downloading
  let left = missing
  for (let failures = 0; ;) {
    // All that is missing in DEST, not only what is left to fetch: what earlier turns brought must stay.
    const found = tidyPartial(destination, tree, missing)
    const resumed = found.filter((ordinal) => !isThere(findings, ordinal))
    await checkFiles(downloading, resumed, { root: destination.partialRoot, cachePath: null })
    for (const ordinal of resumed) {
      const path = join(destination.partialRoot, tree.paths[ordinal]!)
      if (isThere(findings, ordinal)) applyAttributes(path, tree, ordinal)
      else await rm(path, { force: true })
      // Its attributes have changed since it was looked at.
      findings.settled[ordinal] = 0
    }
    left = left.filter((ordinal) => !isThere(findings, ordinal))
    const before = progress.fetchedBytes
    try {
      await fetchFiles(downloading, left)
      assert(
        missing.every((ordinal) => isThere(findings, ordinal)),
        'a download has all its files',
      )
      return
    } catch (error) {
      signal.throwIfAborted()
      if (!(error instanceof NetworkError)) throw error
      failures = progress.fetchedBytes > before + 256 * 1024 ? 1 : failures + 1
      if (failures >= networkTriesMax) throw error
      await sleep(firstPauseMs * 2 ** (failures - 1) * (0.75 + Math.random() / 2), undefined, {
        signal,
      })
    }
  }
}

function isThere({ stats }: Findings, ordinal: number): boolean {
  return !Number.isNaN(stats[ordinal * hashColumns])
}

function applyAttributes(path: string, tree: FetchedTree, ordinal: number): void {
  chmodSync(path, tree.mode(ordinal))
  const modifiedAt = tree.modifiedAt(ordinal)
  if (modifiedAt !== null) utimesSync(path, modifiedAt, modifiedAt)
}

async function fetchFiles(downloading: Downloading, missing: readonly number[]): Promise<void> {
  const { server, pool, tree, destination, artifactId, findings, progress, signal, tell } =
    downloading
  const groups = groupByDigest(tree, missing)
  const large: { ordinal: number; others: number[] }[] = []
  const targetOf = (ordinal: number): PlacedFile['targets'][number] => ({
    path: join(destination.partialRoot, tree.paths[ordinal]!),
    mode: tree.mode(ordinal),
    modifiedAt: tree.modifiedAt(ordinal),
  })
  for (const [ordinal, others] of groups) {
    if (tree.sizeBytes(ordinal) < limits.chunkThresholdBytes) continue
    large.push({ ordinal, others })
    makeFile(targetOf(ordinal).path, tree.sizeBytes(ordinal))
  }
  /** Made when they are needed: for all files at once they would take more memory than the files. */
  const receiverOf = (ordinal: number): Receiver => {
    const others = groups.get(ordinal)
    if (others === undefined) {
      throw new NetworkError(`the server sent entry ${ordinal}, which nobody asked for`)
    }
    if (tree.sizeBytes(ordinal) >= limits.chunkThresholdBytes) {
      return { kind: 'parts', path: targetOf(ordinal).path }
    }
    const targets = [ordinal, ...others].map(targetOf)
    return { kind: 'whole', ordinal, digest: tree.digest(ordinal), targets }
  }
  const wants = await planWants(
    downloading,
    [...groups.keys()],
    large.map(({ ordinal }) => ordinal),
  )
  await fetchBlobs(server, pool, wants, {
    artifactId,
    connections: Math.min(4, Math.max(2, pool.threads)),
    signal,
    receiverOf,
    onFetched: ({ bytes, contentBytes }) => {
      progress.fetchedBytes += bytes
      progress.doneBytes += contentBytes
      tell()
    },
    onPlaced: (files, stats) => {
      let index = 0
      for (const { ordinal } of files) {
        for (const own of [ordinal, ...groups.get(ordinal)!]) {
          note(findings, own, tree, stats.subarray(index * statColumns, (index + 1) * statColumns))
          index += 1
        }
      }
    },
  })
  await sealLarge(downloading, large, targetOf)
}

function note(findings: Findings, ordinal: number, tree: FetchedTree, stats: Float64Array): void {
  const at = ordinal * hashColumns
  const isSettled = !Number.isNaN(stats[0])
  findings.settled[ordinal] = isSettled ? 1 : 0
  if (isSettled) findings.stats.set(stats, at)
  else findings.stats[at] = tree.sizeBytes(ordinal)
  findings.stats[at + 4] = tree.mode(ordinal)
}

const nobody: number[] = []

/** The first file of each content, with the others that have the same. */
function groupByDigest(tree: FetchedTree, missing: readonly number[]): Map<number, number[]> {
  const firsts = new Map<Digest, number>()
  const groups = new Map<number, number[]>()
  for (const ordinal of missing) {
    const digest = tree.digest(ordinal)
    const first = firsts.get(digest)
    if (first === undefined) {
      firsts.set(digest, ordinal)
      groups.set(ordinal, nobody)
    } else if (groups.get(first) === nobody) {
      groups.set(first, [ordinal])
    } else {
      groups.get(first)!.push(ordinal)
    }
  }
  return groups
}

/** A file of its full length, to be filled in any order. */
function makeFile(path: string, sizeBytes: number): void {
  rmSync(path, { force: true })
  const descriptor = openNew(path, 0o600)
  try {
    ftruncateSync(descriptor, sizeBytes)
  } finally {
    closeSync(descriptor)
  }
}

/** Checks large files and gives copies of them to the other places of their content. */
async function sealLarge(
  { pool, tree, findings }: Downloading,
  large: readonly { ordinal: number; others: number[] }[],
  targetOf: (ordinal: number) => PlacedFile['targets'][number],
): Promise<void> {
  await Promise.all(
    large.map(async ({ ordinal, others }) => {
      const target = targetOf(ordinal)
      const { stats } = await pool.run({ kind: 'seal', digest: tree.digest(ordinal), ...target })
      note(findings, ordinal, tree, stats)
      for (const other of others) {
        const { path, ...attributes } = targetOf(other)
        closeSync(openNew(path, 0o600))
        copyFileSync(target.path, path)
        const sealed = await pool.run({
          kind: 'seal',
          digest: tree.digest(other),
          path,
          ...attributes,
        })
        note(findings, other, tree, sealed.stats)
      }
    }),
  )
}

/** Files that were there with the right content may have another mode. */
function correctModes(
  { tree, destination, findings }: Downloading,
  present: readonly number[],
): void {
  for (const ordinal of present) {
    const mode = findings.stats[ordinal * hashColumns + 4]
    if (mode === tree.mode(ordinal)) continue
    chmodSync(join(destination.root, tree.paths[ordinal]!), tree.mode(ordinal))
    // A new ctime: what is known of the file does not hold any more.
    findings.settled[ordinal] = 0
  }
}

function saveCache(
  { tree, wanted, destination, findings }: Downloading,
  cachePath: string,
  moved: ReadonlySet<string>,
): void {
  const writer = createStatCacheWriter(cachePath, wanted.length)
  for (const ordinal of wanted) {
    if (tree.kind(ordinal) !== 'file' || findings.settled[ordinal] !== 1) continue
    const path = tree.paths[ordinal]!
    const own = findings.stats.subarray(ordinal * hashColumns, ordinal * hashColumns + statColumns)
    if (moved.has(path)) {
      const stats = lstatSync(join(destination.root, path))
      if (stats.size !== own[0] || stats.mtimeMs !== own[1] || isRacy(stats.mtimeMs, Date.now()))
        continue
      own.set([stats.size, stats.mtimeMs, stats.ctimeMs, stats.ino])
    }
    writer.add(path, own, digestToBytes(tree.digest(ordinal)))
  }
  try {
    writer.save()
  } catch {
    // The next download reads the files again.
  }
}
