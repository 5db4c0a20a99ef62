/** Assembles large files of a download part by part, from fetched parts and parts of an older
 *  file, and checks the whole at the end. Runs in worker threads. */
import { hash } from 'node:crypto'
import { closeSync, constants, openSync, readSync } from 'node:fs'
import { digestMismatch } from '../../core/errors.ts'
import { type Digest, digestBytes, digestOf } from '../../core/bytes/digest.ts'
import { decodeToScratch } from '../../packs/codec/codec.ts'
import { roomIn } from './encode-pieces.ts'
import { FileError, openToRead, whileReading, whileWriting } from './file-error.ts'
import type { CopyTask, FileAnswers, FindPartsTask, PatchTask, SealTask } from './file-tasks.ts'
import { digestOfOpen } from './hash-files.ts'
import { finishFile, writeAt } from './place-files.ts'

/** Fails on a symlink in the file's place instead of following it. */
const openFlags = constants.O_RDWR | constants.O_NOFOLLOW

/** A part of a file; reused by all tasks, as in encode-pieces.ts. */
let part: Buffer = Buffer.alloc(0)

/** Errors: blob_damaged, FileError. */
export function patchFile(task: PatchTask): FileAnswers['patch'] {
  return whileWriting(task.path, () => patch(task))
}

function patch({ path, pieces, stored }: PatchTask): FileAnswers['patch'] {
  const descriptor = openSync(path, openFlags)
  try {
    let at = 0
    for (const { offset, sizeBytes, codec, lengthBytes } of pieces) {
      const content = decodeToScratch(codec, stored.subarray(at, at + lengthBytes), sizeBytes)
      at += lengthBytes
      writeAt(descriptor, content, offset)
    }
  } finally {
    closeSync(descriptor)
  }
  return { stored }
}

/** Errors: FileError; for the older file also when it has changed. */
export function copyPieces(task: CopyTask): Record<string, never> {
  return whileWriting(task.to, () => copy(task))
}

function copy({ from, to, pieces }: CopyTask): Record<string, never> {
  const source = openToRead(from)
  try {
    const target = openSync(to, openFlags)
    try {
      for (const piece of pieces) writeAt(target, readOlder(source, from, piece), piece.to)
    } finally {
      closeSync(target)
    }
  } finally {
    closeSync(source)
  }
  return {}
}

/** Returns the content of a piece; valid until the next call. */
function readOlder(
  source: number,
  path: string,
  { from, sizeBytes, digest }: CopyTask['pieces'][number],
): Buffer {
  part = roomIn(part, sizeBytes)
  const content = part.subarray(0, sizeBytes)
  // What a file that became shorter leaves in the buffer has another digest, or is the content.
  whileReading(path, () => readSync(source, content, 0, sizeBytes, from))
  if (digestOf(content) !== digest) throw new FileError(path, 'changed during the download')
  return content
}

/** Errors: FileError. */
export function findParts(task: FindPartsTask): FileAnswers['findParts'] {
  return whileWriting(task.path, () => find(task))
}

function find({ path, sizes, digests }: FindPartsTask): FileAnswers['findParts'] {
  const isThere = new Uint8Array(sizes.length)
  const descriptor = openSync(path, openFlags)
  try {
    part = roomIn(
      part,
      sizes.reduce((most, each) => Math.max(most, each), 0),
    )
    let offset = 0
    for (const [index, sizeBytes] of sizes.entries()) {
      const count = readSync(descriptor, part, 0, sizeBytes, offset)
      const digest = digests.subarray(index * digestBytes, (index + 1) * digestBytes)
      const found = hash('sha256', part.subarray(0, count), 'buffer')
      isThere[index] = found.equals(digest) ? 1 : 0
      offset += sizeBytes
    }
  } finally {
    closeSync(descriptor)
  }
  return { isThere }
}

/** Errors: digest_mismatch, FileError. */
export function sealFile(task: SealTask): FileAnswers['seal'] {
  return whileWriting(task.path, () => seal(task))
}

function seal({ path, digest, mode, modifiedAt }: SealTask): FileAnswers['seal'] {
  const descriptor = openSync(path, openFlags)
  try {
    const actual = digestOfOpen(descriptor).digest.toString('hex') as Digest
    if (actual !== digest) throw digestMismatch(path, digest, actual)
    return { stats: Float64Array.from(finishFile(descriptor, { mode, modifiedAt })) }
  } finally {
    closeSync(descriptor)
  }
}
