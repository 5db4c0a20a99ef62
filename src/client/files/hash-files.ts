/** Reads and hashes many files with few system calls each: open, read, fstat, close. Runs in
 *  worker threads. */
import { closeSync, fstatSync, readSync } from 'node:fs'
import { createHash, hash } from 'node:crypto'
import { FileError, fileError, openToRead } from './file-error.ts'
import { type HashAnswer, type HashTask, hashColumns } from './file-tasks.ts'
import { isSettled } from './racy.ts'
import { columnsOf, statColumns } from './stat-columns.ts'
import { modeOf } from './system.ts'
import { digestBytes } from '../../core/bytes/digest.ts'

const buffer = Buffer.allocUnsafeSlow(1024 * 1024)

/** With `check`, the size of a path that is absent, unreadable or not a file is NaN. Errors:
 *  FileError, otherwise. */
export function hashFiles({ kind, paths }: HashTask): HashAnswer {
  const list = paths.split('\0')
  list.pop()
  const answer: HashAnswer = {
    stats: new Float64Array(list.length * hashColumns),
    digests: new Uint8Array(list.length * digestBytes),
    settled: new Uint8Array(list.length),
  }
  for (const [index, path] of list.entries()) {
    try {
      readOne(path, index, answer)
    } catch (error) {
      if (kind === 'hash') throw error instanceof FileError ? error : fileError(path, error)
      // Whatever is there is not the wanted file and will be replaced.
      answer.stats[index * hashColumns] = Number.NaN
    }
  }
  return answer
}

function readOne(path: string, index: number, answer: HashAnswer): void {
  const examinedAt = Date.now()
  const descriptor = openToRead(path)
  try {
    const { digest, sizeBytes } = digestOfOpen(descriptor)
    const stats = fstatSync(descriptor)
    // A file that is written while it is read can have any digest.
    if (stats.size !== sizeBytes || !stats.isFile()) throw new Error('it changed while being read')
    const at = index * hashColumns
    answer.stats.set(columnsOf(stats), at)
    answer.stats[at + statColumns] = modeOf(stats)
    answer.digests.set(digest, index * digestBytes)
    answer.settled[index] = isSettled(stats, examinedAt) ? 1 : 0
  } finally {
    closeSync(descriptor)
  }
}

/** Reads an open file to its end. */
export function digestOfOpen(descriptor: number): { digest: Buffer; sizeBytes: number } {
  let count = readSync(descriptor, buffer)
  // A regular file returns less than was asked for only at its end.
  if (count < buffer.length) {
    return { digest: hash('sha256', buffer.subarray(0, count), 'buffer'), sizeBytes: count }
  }
  const hasher = createHash('sha256')
  let sizeBytes = 0
  while (count > 0) {
    hasher.update(buffer.subarray(0, count))
    sizeBytes += count
    count = readSync(descriptor, buffer)
  }
  return { digest: hasher.digest(), sizeBytes }
}
