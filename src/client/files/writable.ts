/** Handles directories that their owner may not write to. */
import { chmodSync, lstatSync, readdirSync, rmSync } from 'node:fs'
import { FileError } from './file-error.ts'

/** Gives the owner of a directory full access to it. */
export function makeWritable(directory: string): void {
  const { mode } = lstatSync(directory)
  if ((mode & 0o700) !== 0o700) chmodSync(directory, (mode & 0o777) | 0o700)
}

/** Removes a path and everything below it, even where the modes of directories below it forbid
 *  that. The directory that contains the path must be writable. Errors: FileError. */
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
