/** Fetches what a download lacks into the partial tree; resumes where it broke off. */
import { addTo } from '../../core/groups.ts'
import { closeSync, chmodSync, ftruncateSync, lstatSync, rmSync, utimesSync } from 'node:fs'
import { copyFile, rm } from 'node:fs/promises'
import { limits } from '../../core/limits.ts'
import { createContentIndex } from '../content-index.ts'
import { fetchBlobs } from './fetch-blobs.ts'
import type { FetchedTree } from './tree-columns.ts'
import { whileWriting } from '../files/file-error.ts'
import type { PlaceTarget } from '../files/file-tasks.ts'
import { untilAborted } from '../files/until-aborted.ts'
import { taskFilesMax } from './fetched-writer.ts'
import type { Downloading } from './downloading.ts'
import { checkFiles, isThere, note } from './findings.ts'
import { NetworkError } from '../transport/network-error.ts'
import { unreadableAnswer } from '../transport/foreign-answer.ts'
import { partialPath, tidyPartial } from './partial-tree.ts'
import { fileTime, openNew } from '../files/place-files.ts'
import { setMode } from '../files/system.ts'
import { findOlder, planWants } from './plan-wants.ts'
import { untilThrough } from '../transport/retry.ts'

/** Fetches missing files, retrying while the network fails but makes progress. `missing` are
 *  ordinals of entries, ascending. */
export async function fetchMissing(
  downloading: Downloading,
  missing: readonly number[],
): Promise<void> {
  const { server, tree, progress, signal, findings, reportRetry: onRetry } = downloading
  const doneBefore = progress.doneBytes
  const thereBytes = (): number =>
    missing.reduce(
      (sum, ordinal) => sum + (isThere(findings, ordinal) ? tree.sizeBytes(ordinal) : 0),
      0,
    )
  const isPassing = (error: unknown): boolean => error instanceof NetworkError
  const fetchLeft = async (onHeld: (bytes: number) => void): Promise<void> => {
    progress.doneBytes = doneBefore + thereBytes()
    const unfinished = await resume(downloading, missing)
    const left = missing.filter((ordinal) => !isThere(findings, ordinal))
    onHeld(thereBytes())
    await fetchFiles(downloading, left, { unfinished, onHeld })
  }
  await untilThrough(fetchLeft, { isPassing, onRetry, retryMs: server.patience?.leftMs, signal })
  if (!missing.every((ordinal) => isThere(findings, ordinal)))
    throw unreadableAnswer(server, 'contents without all of the wanted files')
}

/** Examines what earlier attempts or an earlier download have left: complete files are recorded
 *  as present. Returns large files of full length, of which some parts may be in place. */
async function resume(
  downloading: Downloading,
  missing: readonly number[],
): Promise<ReadonlySet<number>> {
  const { destination, tree, findings } = downloading
  // Given everything missing in DEST, not only what is left to fetch, since files of earlier
  // attempts must stay.
  const found = tidyPartial(destination, tree, missing)
  const left = found.filter((ordinal) => !isThere(findings, ordinal))
  const pathOf = (ordinal: number): string => partialPath(destination, tree, ordinal)
  await checkFiles(downloading, left, pathOf)
  const unfinished = new Set<number>()
  for (const ordinal of left) {
    const path = pathOf(ordinal)
    if (isThere(findings, ordinal)) applyAttributes(path, tree, ordinal)
    else if (isUnfinished(path, tree, ordinal)) unfinished.add(ordinal)
    else await rm(path, { force: true })
    // Its attributes have changed since it was examined.
    findings.settled[ordinal] = 0
  }
  return unfinished
}

/** Whether filling a large file can continue in place: no other hard link may share it. */
function isUnfinished(path: string, tree: FetchedTree, ordinal: number): boolean {
  const { size, nlink } = lstatSync(path)
  if (nlink !== 1 || size !== tree.sizeBytes(ordinal) || !isLarge(tree, ordinal)) return false
  chmodSync(path, 0o600)
  return true
}

function isLarge(tree: FetchedTree, ordinal: number): boolean {
  return tree.sizeBytes(ordinal) >= limits.chunkThresholdBytes
}

function applyAttributes(path: string, tree: FetchedTree, ordinal: number): void {
  setMode(path, tree.mode(ordinal))
  const modifiedAt = tree.modifiedAt(ordinal)
  if (modifiedAt !== null) utimesSync(path, fileTime(modifiedAt), fileTime(modifiedAt))
}

/** `onHeld` is called with bytes that were already in place in `unfinished` files. */
async function fetchFiles(
  downloading: Downloading,
  missing: readonly number[],
  { unfinished, onHeld }: { unfinished: ReadonlySet<number>; onHeld(bytes: number): void },
): Promise<void> {
  const { pool, tree, destination } = downloading
  const { firsts, others } = groupByContent(tree, missing)
  const target = (ordinal: number): PlaceTarget => ({
    path: partialPath(destination, tree, ordinal),
    mode: tree.mode(ordinal),
    modifiedAt: tree.modifiedAt(ordinal),
  })
  // Workers start while the server looks up what it sends.
  pool.expect(firsts.length / taskFilesMax)
  const large = firsts.filter((ordinal) => isLarge(tree, ordinal))
  for (const ordinal of large)
    if (!unfinished.has(ordinal)) makeFile(target(ordinal).path, tree.sizeBytes(ordinal))
  const asked = new Uint8Array(tree.count)
  for (const ordinal of firsts) asked[ordinal] = 1
  // These become copies of the first file with their content.
  for (const ordinal of unfinished) if (asked[ordinal] !== 1) rmSync(target(ordinal).path)
  const older = new Set(findOlder(downloading, large))
  const begun = new Set(large.filter((ordinal) => unfinished.has(ordinal)))
  const whole = firsts.filter((ordinal) => !older.has(ordinal) && !begun.has(ordinal))
  const wants = [
    { ordinals: whole, parts: new Map<number, number[]>() },
    planWants(downloading, { unfinished: begun, older }, onHeld),
  ]
  await fetchBlobs(downloading, wants, {
    sharers: (ordinal) => [ordinal, ...(others.get(ordinal) ?? [])],
    digest: tree.digestBytes,
    target,
    patchedPath: (ordinal) => {
      if (asked[ordinal] !== 1)
        throw new RangeError(`the server sent entry ${ordinal}, which was not asked for`)
      return isLarge(tree, ordinal) ? target(ordinal).path : undefined
    },
  })
  await sealLarge(downloading, large, { others, target })
}

/** Returns the first file of each content, and the others with the same content. */
function groupByContent(
  tree: FetchedTree,
  missing: readonly number[],
): { firsts: number[]; others: Map<number, number[]> } {
  const firstLike = createContentIndex(missing.length, tree.digestBytes)
  const firsts: number[] = []
  const others = new Map<number, number[]>()
  for (const ordinal of missing) {
    const first = firstLike(ordinal)
    if (first === ordinal) firsts.push(ordinal)
    else addTo(others, first, ordinal)
  }
  return { firsts, others }
}

/** Creates a file of its full length, to be filled in any order. Errors: FileError. */
function makeFile(path: string, sizeBytes: number): void {
  whileWriting(path, () => {
    const descriptor = openNew(path, 0o600)
    try {
      ftruncateSync(descriptor, sizeBytes)
    } finally {
      closeSync(descriptor)
    }
  })
}

/** Checks large files and copies them to the other paths with their content. */
async function sealLarge(
  { pool, tree, findings, signal }: Downloading,
  large: readonly number[],
  {
    others,
    target,
  }: { others: ReadonlyMap<number, number[]>; target(ordinal: number): PlaceTarget },
): Promise<void> {
  const seal = async (ordinal: number): Promise<void> => {
    const task = { kind: 'seal', digest: tree.digest(ordinal), ...target(ordinal) } as const
    const { stats } = await pool.run(task)
    note(findings, ordinal, tree, stats)
  }
  const seals = large.map(async (ordinal) => {
    for (const other of others.get(ordinal) ?? []) {
      const { path } = target(other)
      closeSync(openNew(path, 0o600))
      // Copied before sealing: a copy also gets the mode, which may forbid writing.
      await copyFile(target(ordinal).path, path)
      await seal(other)
    }
    await seal(ordinal)
  })
  await untilAborted(Promise.all(seals), signal)
}
