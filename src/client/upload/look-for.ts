/** Looks at paths that an upload is given. */
import { lstatSync, realpathSync, type Stats } from 'node:fs'
import { fileError } from '../files/file-error.ts'

/** What is at a path, links not followed; undefined where nothing is, or can be. Errors: FileError, where that is hidden. */
export function lookFor(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOTDIR' || code === 'ENAMETOOLONG') return undefined
    throw fileError(path, error)
  }
}

/** What links lead to in the end. Errors: FileError. */
export function targetOf(path: string): string {
  try {
    return realpathSync(path)
  } catch (error) {
    throw fileError(path, error)
  }
}
