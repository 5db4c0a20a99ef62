/** Writes files of a download: inflates them, checks their digest, then writes them to disk.
 *  Runs in worker threads. Nothing is written that does not match its digest. */
import { hash } from 'node:crypto'
import { closeSync, fchmodSync, fstatSync, futimesSync, openSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { copyCodecs } from '../../core/bytes/blob-exchange.ts'
import { digestBytes, digestFromBytes } from '../../core/bytes/digest.ts'
import { digestMismatch, hasErrno } from '../../core/errors.ts'
import { decodeToScratch } from '../../packs/codec/codec.ts'
import { whileWriting } from './file-error.ts'
import { type PlaceAnswer, placeColumns, type PlaceTarget, type PlaceTask } from './file-tasks.ts'
import { isSettledAsMade } from './racy.ts'
import { isMode, openingMode } from './system.ts'
import { makeDirectories } from '../../make-directories.ts'
import { columnsOf, statColumns } from './stat-columns.ts'

/** Errors: digest_mismatch, blob_damaged, FileError. */
export function placeFiles({ files, digests, paths, attributes, stored }: PlaceTask): PlaceAnswer {
  const targets = paths.split('\0')
  const stats = new Float64Array((targets.length - 1) * statColumns)
  let at = 0
  let target = 0
  for (let file = 0; file * placeColumns < files.length; file++) {
    const [sizeBytes = 0, lengthBytes = 0, codec = 0, count = 0] = files.subarray(
      file * placeColumns,
      (file + 1) * placeColumns,
    )
    const bytes = stored.subarray(at, at + lengthBytes)
    const content = decodeToScratch(copyCodecs[codec]!, bytes, sizeBytes)
    at += lengthBytes
    const digest = digests.subarray(file * digestBytes, (file + 1) * digestBytes)
    checkDigest(content, digest, targets[target]!)
    for (const end = target + count; target < end; target++) {
      const seconds = attributes[target * 2 + 1]!
      const modifiedAt = Number.isNaN(seconds) ? null : seconds
      const own = { path: targets[target]!, mode: attributes[target * 2]!, modifiedAt }
      stats.set(
        whileWriting(own.path, () => writeFile(own, content)),
        target * statColumns,
      )
    }
  }
  return { stats, stored }
}

function checkDigest(content: Buffer, wanted: Uint8Array, path: string): void {
  const found = hash('sha256', content, 'buffer')
  if (found.equals(wanted)) return
  throw digestMismatch(path, digestFromBytes(wanted), digestFromBytes(found))
}

/** Creates the file and writes it. Fails if the path exists, so a symlink planted there is not
 *  followed. Returns its stat columns, NaN when they may not be recorded. */
function writeFile(target: PlaceTarget, content: Buffer): number[] {
  const descriptor = openNew(target.path, target.mode)
  try {
    writeAt(descriptor, content, 0)
    return finishFile(descriptor, target)
  } finally {
    closeSync(descriptor)
  }
}

/** Writes all of the content, from `offset` on. */
export function writeAt(descriptor: number, content: Uint8Array, offset: number): void {
  for (let at = 0; at < content.length;)
    at += writeSync(descriptor, content, at, content.length - at, offset + at)
}

/** Converts a file time for Node, which takes a negative number for the current time. */
export function fileTime(seconds: number): number | Date {
  return seconds < 0 ? new Date(seconds * 1000) : seconds
}

/** Sets the mode and time of an open file; returns its stat columns, NaN when they may not be
 *  recorded. */
export function finishFile(
  descriptor: number,
  { mode, modifiedAt }: Omit<PlaceTarget, 'path'>,
): number[] {
  if (modifiedAt !== null) {
    const time = fileTime(modifiedAt)
    futimesSync(descriptor, time, time)
  }
  const examinedAt = Date.now()
  let stats = fstatSync(descriptor)
  if (!isMode(stats.mode, mode)) {
    fchmodSync(descriptor, mode)
    stats = fstatSync(descriptor)
  }
  if (!isSettledAsMade(stats, examinedAt)) return [Number.NaN, 0, 0, 0]
  return columnsOf(stats)
}

/** Directories already created; most get many files. */
const madeDirectories = new Set<string>()
const madeMax = 10_000

/** Opens a new file, creating its directory if it is missing. */
export function openNew(path: string, mode: number): number {
  const directory = dirname(path)
  if (!madeDirectories.has(directory)) {
    makeDirectories(directory)
    if (madeDirectories.size >= madeMax) madeDirectories.clear()
    madeDirectories.add(directory)
  }
  try {
    return openSync(path, 'wx', openingMode(mode))
  } catch (error) {
    if (!hasErrno(error, 'ENOENT')) throw error
    // A directory created for an earlier download can have been removed since.
    makeDirectories(directory)
    return openSync(path, 'wx', openingMode(mode))
  }
}
