/** Handles directories that their owner may not write to. */
import { chmodSync, lstatSync, readdirSync, rmSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { FileError } from './file-error.ts'
import { hasErrno } from '../../core/errors.ts'

/** Gives the owner of a directory full access to it. */
export function makeWritable(directory: string | Buffer): void {
  const { mode } = lstatSync(directory)
  if ((mode & 0o700) !== 0o700) chmodSync(directory, (mode & 0o777) | 0o700)
}

/** Removes a path and everything below it, even where the modes of directories below it forbid
 *  that. The directory that contains the path must be writable. Errors: FileError. */
export function removeWhole(path: string | Buffer): void {
  try {
    try {
      rmSync(path, { recursive: true, force: true })
    } catch (error) {
      if (!hasErrno(error, 'EACCES', 'EPERM')) throw error
      makeWholeWritable(Buffer.from(path))
      rmSync(path, { recursive: true, force: true })
    }
  } catch (error) {
    const reason = `cannot be removed: ${(error as Error).message}`
    throw new FileError(path.toString(), reason, { cause: error })
  }
}

function makeWholeWritable(path: Buffer): void {
  if (lstatSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) return
  makeWritable(path)
  for (const entry of readdirSync(path, { withFileTypes: true, encoding: 'buffer' }))
    if (entry.isDirectory()) makeWholeWritable(childOf(path, entry.name))
}

/** Returns the paths that Node reads as `path`: it substitutes U+FFFD for bytes of a name that are
 *  not UTF-8. */
export function pathsInBytes(path: string): (string | Buffer)[] {
  if (!path.includes('\ufffd')) return [path]
  const directory = Buffer.from(dirname(path))
  return readdirSync(directory, 'buffer')
    .filter((name) => name.toString() === basename(path))
    .map((name) => childOf(directory, name))
}

export function childOf(directory: Buffer, name: Buffer): Buffer {
  return Buffer.concat([directory, Buffer.from('/'), name])
}
