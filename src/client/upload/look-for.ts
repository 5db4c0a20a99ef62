/** Looks at paths that an upload is given. */
import { lstatSync, realpathSync, statSync, type Stats } from 'node:fs'
import { fileError } from '../files/file-error.ts'
import { withSlashes } from '../files/paths.ts'

/** What is at a path, links not followed; undefined where nothing is, or can be. Errors: FileError, where that is hidden. */
export function lookFor(path: string): Stats | undefined {
  return lookBy(path, lstatSync)
}

/** What a path leads to, links followed; undefined where that is nothing, as for a link to itself. Errors: FileError, where
 *  that is hidden. */
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

/** What links lead to in the end. Errors: FileError. */
export function targetOf(path: string): string {
  try {
    return withSlashes(realpathSync(path))
  } catch (error) {
    throw fileError(path, error)
  }
}
