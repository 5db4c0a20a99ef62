/** Fetching of what a download misses, into the partial tree; taken up again where it broke. */
import assert from 'node:assert'
import { closeSync, chmodSync, copyFileSync, ftruncateSync, rmSync, utimesSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Digest } from '../core/digest.ts'
import { limits } from '../core/limits.ts'
import { tidyPartial } from './destination.ts'
import { fetchBlobs, type Receiver } from './fetch-blobs.ts'
import type { FetchedTree } from './fetched-tree.ts'
import type { PlacedFile } from './file-tasks.ts'
import type { Downloading } from './downloading.ts'
import { checkFiles, isThere, note } from './findings.ts'
import { NetworkError } from './http.ts'
import { openNew } from './place-files.ts'
import { planWants } from './plan-wants.ts'
import { statColumns } from './stat-cache.ts'

const networkTriesMax = 6
const firstPauseMs = 300

/** Fetches what is missing, again and again while the network breaks but something gets through. */
export async function fetchMissing(
  downloading: Downloading,
  missing: readonly number[],
): Promise<void> {
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
