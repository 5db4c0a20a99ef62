/** Removing directories that steps have worked in, whatever they have made of the modes there. */
import { chmod, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'

const options = { recursive: true, force: true } as const

/** Removes a file, or a directory with all that is in it, also what lies in directories that may not be written: Go makes
 *  its module cache of such. */
export async function removeTree(path: string): Promise<void> {
  try {
    await rm(path, options)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'EACCES' && code !== 'EPERM') throw error
    await openDirectories(path)
    await rm(path, options)
  }
}

/** Links are not followed. What is gone meanwhile is passed over: a removal that has failed in one place still goes on in
 *  others. */
async function openDirectories(directory: string): Promise<void> {
  try {
    await chmod(directory, 0o700)
    for (const entry of await readdir(directory, { withFileTypes: true })) {
      if (entry.isDirectory()) await openDirectories(join(directory, entry.name))
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}
