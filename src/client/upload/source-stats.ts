/** Examines paths that are given to an upload. */
import { lstatSync, realpathSync, statSync, type Stats } from 'node:fs'
import { fileError, whileReading } from '../files/file-error.ts'
import { withSlashes } from '../files/paths.ts'
import { hasErrno } from '../../core/errors.ts'

/** lstat of a path; undefined when nothing is or can be there. Errors: FileError, when the path
 *  may not be examined. */
export function findLstat(path: string): Stats | undefined {
  return findBy(path, lstatSync)
}

/** stat of a path, following symlinks; undefined when it leads nowhere, as a symlink to itself
 *  does. Errors: FileError, when the path may not be examined. */
export function findStat(path: string): Stats | undefined {
  return findBy(path, statSync)
}

function findBy(path: string, stat: typeof lstatSync): Stats | undefined {
  try {
    return stat(path, { throwIfNoEntry: false })
  } catch (error) {
    if (hasErrno(error, 'ENOTDIR', 'ENAMETOOLONG', 'ELOOP')) return undefined
    throw fileError(path, error)
  }
}

/** Resolves symlinks to the real path. Errors: FileError. */
export function targetOf(path: string): string {
  return withSlashes(whileReading(path, () => realpathSync(path)))
}
