/** Failed system calls, and how they are told in the words of the ports. */
import { StoreError, storeError } from '../core/errors.ts'

/** Whether `error` is a failed system call with this code. */
export function hasErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}

/** Runs `work`; answers undefined when it fails because a file or directory is not there. */
export async function ignoringAbsence<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work()
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return undefined
    throw error
  }
}

/** Runs `work` on `what` and tells its failures as `tellErrno` does. */
export async function translateErrno<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw tellErrno(what, error)
  }
}

/** A failed system call on `what` as storage_full, busy or not_found; what is none of these as it is. */
export function tellErrno(what: string, error: unknown): unknown {
  if (error instanceof StoreError) return error
  const cause = { cause: error }
  if (hasErrno(error, 'ENOSPC') || hasErrno(error, 'EDQUOT')) {
    return storeError(
      'storage_full',
      `no room on the disk for ${what}`,
      { neededBytes: null },
      cause,
    )
  }
  // Others close theirs soon.
  if (hasErrno(error, 'EMFILE') || hasErrno(error, 'ENFILE')) {
    const message = `too many files are open for ${what}: raise the limit of the process (ulimit -n, LimitNOFILE)`
    return storeError('busy', message, { what: 'open files' }, cause)
  }
  if (hasErrno(error, 'ENOENT')) {
    return storeError('not_found', `${what} is not there`, { what }, cause)
  }
  return error
}
