/** Creates missing directories. */
import { mkdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

/** Creates a directory and its missing parents, each with `mode`. Does not use Node's
 *  `recursive`: it loops forever when an existing directory such as /proc fails with ENOENT, and
 *  it reports ENOENT in place of some other errors. Errors: those of the system. */
export function makeDirectories(path: string, mode?: number): void {
  if (isDirectory(path)) return
  if (dirname(path) !== path) makeDirectories(dirname(path), mode)
  try {
    mkdirSync(path, mode)
  } catch (error) {
    // Another process may have created it meanwhile.
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
