/** Directories that are missing on the way to a path. */
import { mkdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

/** Makes a directory and those above it that are missing, each with `mode`. Not by Node's `recursive`, which tries without end
 *  what a directory that is there refuses with ENOENT, as /proc does, and says ENOENT in place of some other reasons.
 *  Errors: those of the system. */
export function makeDirectories(path: string, mode?: number): void {
  if (isDirectory(path)) return
  if (dirname(path) !== path) makeDirectories(dirname(path), mode)
  try {
    mkdirSync(path, mode)
  } catch (error) {
    // Somebody else may have made it meanwhile.
    if (!isDirectory(path)) throw error
  }
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory()
  } catch {
    return false
  }
}
