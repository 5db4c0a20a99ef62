/** Examines paths that are given to an upload. */
import { lstatSync, realpathSync, statSync, type Stats } from 'node:fs'
import { fileError } from '../files/file-error.ts'
import { withSlashes } from '../files/paths.ts'

/** lstat of a path; undefined when nothing is or can be there. Errors: FileError, when the path
 *  may not be examined. */
export function lookFor(path: string): Stats | undefined {
  return lookBy(path, lstatSync)
}

/** stat of a path, following symlinks; undefined when it leads nowhere, as a symlink to itself
 *  does. Errors: FileError, when the path may not be examined. */
export function lookThrough(path: string): Stats | undefined {
  return lookBy(path, statSync)
}

const leadsNowhere = new Set(['ENOTDIR', 'ENAMETOOLONG', 'ELOOP'])

function lookBy(path: string, look: typeof lstatSync): Stats | undefined {
  try {
    return look(path, { throwIfNoEntry: false })
  } catch (error) {
    if (leadsNowhere.has((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw fileError(path, error)
  }
}

/** Resolves symlinks to the real path. Errors: FileError. */
export function targetOf(path: string): string {
  try {
    return withSlashes(realpathSync(path))
  } catch (error) {
    throw fileError(path, error)
  }
}
