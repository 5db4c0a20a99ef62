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

/** Runs `work` on `what` and translates its failures; those without a code of ours pass through.
 *  Errors: storage_full, not_found. */
export async function translateErrno<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof StoreError) throw error
    if (hasErrno(error, 'ENOSPC') || hasErrno(error, 'EDQUOT')) {
      throw storeError(
        'storage_full',
        `no room on the disk for ${what}`,
        { neededBytes: null },
        { cause: error },
      )
    }
    if (hasErrno(error, 'ENOENT')) {
      throw storeError('not_found', `${what} is not there`, { what }, { cause: error })
    }
    throw error
  }
}
