/** Failed system calls, and their translation to the errors of the ports. */
import { hasErrno, notFound, storeError } from '../../core/errors.ts'

/** Runs `work`; returns undefined when it fails because a file or directory does not exist. */
export async function ignoringAbsence<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work()
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return undefined
    throw error
  }
}

/** Runs `work` on `what`; translates its failures with `asStoreError`. */
export async function translateErrno<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw asStoreError(what, error)
  }
}

/** Translates a failed system call on `what` to storage_full, storage_failed, busy or not_found;
 *  returns any other error unchanged. */
export function asStoreError(what: string, error: unknown): unknown {
  const cause = { cause: error }
  if (hasErrno(error, 'ENOSPC', 'EDQUOT')) {
    return storeError(
      'storage_full',
      `no space left on the disk for ${what}`,
      { neededBytes: null },
      cause,
    )
  }
  if (hasErrno(error, 'EROFS', 'EIO', 'EACCES', 'EPERM', 'EFBIG', 'ENXIO', 'ESTALE')) {
    const { code: reason, message } = error as NodeJS.ErrnoException & { code: string }
    // Not the whole message: it contains the path.
    const [, text = reason] = /^\w+: ([^,]+)/.exec(message) ?? []
    return storeError(
      'storage_failed',
      `${what} is inaccessible: ${text} (${reason})`,
      { reason },
      cause,
    )
  }
  // Retryable: other requests soon close their files.
  if (hasErrno(error, 'EMFILE', 'ENFILE')) {
    const message = `too many open files for ${what}: raise the limit of the process (ulimit -n, LimitNOFILE)`
    return storeError('busy', message, { what: 'open files' }, cause)
  }
  if (hasErrno(error, 'ENOENT')) {
    return notFound(what, `${what} does not exist`, cause)
  }
  return error
}
