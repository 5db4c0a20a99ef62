/** Writing of files that a download brought: inflated, checked against their digest, then put on the disk. Runs in
 *  worker threads. Nothing is written that does not have its digest. */
import {
  closeSync,
  fchmodSync,
  fstatSync,
  futimesSync,
  mkdirSync,
  openSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { digestOf } from '../core/digest.ts'
import { storeError } from '../core/errors.ts'
import { decodeCopy } from '../packs/codec.ts'
import type { PlaceAnswer, PlaceTask, PlacedFile } from './file-tasks.ts'
import { isRacy, statColumns } from './stat-cache.ts'

/** Errors: digest_mismatch, blob_damaged. */
export function placeFiles({ files, stored }: PlaceTask): PlaceAnswer {
  const count = files.reduce((sum, file) => sum + file.targets.length, 0)
  const stats = new Float64Array(count * statColumns)
  let at = 0
  let index = 0
  for (const file of files) {
    const content = contentOf(file, stored.subarray(at, at + file.lengthBytes))
    at += file.lengthBytes
    for (const target of file.targets) {
      stats.set(writeFile(target, content), index * statColumns)
      index += 1
    }
  }
  return { stats }
}

function contentOf(file: PlacedFile, stored: Uint8Array): Buffer {
  const content = decodeCopy(file.codec, stored, file.sizeBytes)
  const actual = digestOf(content)
  if (actual === file.digest) return content
  const expected = file.digest as typeof actual
  throw storeError(
    'digest_mismatch',
    `${file.targets[0]?.path}: expected ${expected}, got ${actual}`,
    { expected, actual },
  )
}

/** Creates the file; it must not be there, so a link that somebody put in its place is not followed. Answers its stat
 *  columns, NaN when they may not be recorded. */
function writeFile(target: PlacedFile['targets'][number], content: Buffer): number[] {
  const descriptor = openNew(target.path, target.mode)
  try {
    for (let at = 0; at < content.length;) at += writeSync(descriptor, content, at)
    return finishFile(descriptor, target)
  } finally {
    closeSync(descriptor)
  }
}

/** Gives an open file its mode and time; answers its stat columns, NaN when they may not be recorded. */
export function finishFile(
  descriptor: number,
  target: { mode: number; modifiedAt: number | null },
): number[] {
  if (target.modifiedAt !== null) futimesSync(descriptor, target.modifiedAt, target.modifiedAt)
  const lookedAt = Date.now()
  let stats = fstatSync(descriptor)
  if ((stats.mode & 0o777) !== target.mode) {
    fchmodSync(descriptor, target.mode)
    stats = fstatSync(descriptor)
  }
  if (isRacy(stats.mtimeMs, lookedAt)) return [Number.NaN, 0, 0, 0]
  return [stats.size, stats.mtimeMs, stats.ctimeMs, stats.ino]
}

const madeDirectories = new Set<string>()

/** Opens a new file, making its directory where it is missing. */
export function openNew(path: string, mode: number): number {
  const directory = dirname(path)
  if (!madeDirectories.has(directory)) {
    mkdirSync(directory, { recursive: true })
    if (madeDirectories.size > 10_000) madeDirectories.clear()
    madeDirectories.add(directory)
  }
  return openSync(path, 'wx', mode)
}
