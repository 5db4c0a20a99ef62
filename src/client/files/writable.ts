/** Directories to write in: made, and those that forbid it opened. */
import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { FileError } from './file-error.ts'

/** Makes a directory and those above it that are missing. Node 20 says ENOENT of several reasons not to, such as a read-only
 *  file system, so what fails is done once more, one at a time. Errors: those of the system. */
export function makeDirectories(path: string): void {
  try {
    mkdirSync(path, { recursive: true })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    if (!existsSync(dirname(path))) makeDirectories(dirname(path))
    mkdirSync(path)
  }
}

/** Lets its owner write into a directory. */
export function makeWritable(directory: string): void {
  const { mode } = lstatSync(directory)
  if ((mode & 0o700) !== 0o700) chmodSync(directory, (mode & 0o777) | 0o700)
}

/** Removes what is at a path, with all that lies below it, also where the modes of directories below it forbid that; the
 *  directory that holds it must be writable. Errors: FileError. */
export function removeWhole(path: string): void {
  try {
    try {
      rmSync(path, { recursive: true, force: true })
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code !== 'EACCES' && code !== 'EPERM') throw error
      makeWholeWritable(path)
      rmSync(path, { recursive: true, force: true })
    }
  } catch (error) {
    throw new FileError(path, `cannot be removed: ${(error as Error).message}`, { cause: error })
  }
}

function makeWholeWritable(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) return
  makeWritable(path)
  for (const entry of readdirSync(path, { withFileTypes: true }))
    if (entry.isDirectory()) makeWholeWritable(`${path}/${entry.name}`)
}
