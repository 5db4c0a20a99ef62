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

/** Errors: those of `work`; FileError in place of system errors. */
function whileOpen<T>(path: string, work: (descriptor: number) => T): T {
  return whileWriting(path, () => {
    const descriptor = openSync(path, openFlags)
    try {
      return work(descriptor)
    } finally {
      closeSync(descriptor)
    }
  })
}

/** Errors: blob_damaged, FileError. */
export function patchFile({ path, pieces, stored }: PatchTask): FileAnswers['patch'] {
  return whileOpen(path, (descriptor) => {
    let at = 0
    for (const { offset, sizeBytes, codec, lengthBytes } of pieces) {
      const content = decodeToScratch(codec, stored.subarray(at, at + lengthBytes), sizeBytes)
      at += lengthBytes
      writeAt(descriptor, content, offset)
    }
    return { stored }
  })
}

/** Errors: FileError; for the older file also when it has changed. */
export function copyPieces({ from, to, pieces }: CopyTask): Record<string, never> {
  const source = openToRead(from)
  try {
    return whileOpen(to, (target) => {
      for (const piece of pieces) writeAt(target, readOlder(source, from, piece), piece.to)
      return {}
    })
  } finally {
    closeSync(source)
  }
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
export function findParts({ path, sizes, digests }: FindPartsTask): FileAnswers['findParts'] {
  return whileOpen(path, (descriptor) => {
    const isThere = new Uint8Array(sizes.length)
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
    return { isThere }
  })
}

/** Errors: digest_mismatch, FileError. */
export function sealFile({ path, digest, ...wanted }: SealTask): FileAnswers['seal'] {
  return whileOpen(path, (descriptor) => {
    const actual = digestOfOpen(descriptor).digest.toString('hex') as Digest
    if (actual !== digest) throw digestMismatch(path, digest, actual)
    return { stats: Float64Array.from(finishFile(descriptor, wanted)) }
  })
}
