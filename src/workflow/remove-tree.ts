/** Removes directories that steps have worked in, whatever modes they left behind. */
import { chmod, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { errorCodeOf } from '../core/errors.ts'

const options = { recursive: true, force: true } as const

/** Removes a file or a directory with everything in it, including the content of read-only
 *  directories, as in Go's module cache. */
export async function removeTree(path: string): Promise<void> {
  try {
    await rm(path, options)
  } catch (error) {
    if (!['EACCES', 'EPERM'].includes(errorCodeOf(error))) throw error
    await openDirectories(path)
    await rm(path, options)
  }
}

/** Makes the directories below `directory` writable. Does not follow symlinks. Skips what no longer
 *  exists: the removal that failed in one place continues in others. */
async function openDirectories(directory: string): Promise<void> {
  try {
    await chmod(directory, 0o700)
    for (const entry of await readdir(directory, { withFileTypes: true })) {
      if (entry.isDirectory()) await openDirectories(join(directory, entry.name))
    }
  } catch (error) {
    if (errorCodeOf(error) !== 'ENOENT') throw error
  }
}
