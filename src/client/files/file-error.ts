/** Trouble with a file of this machine, in words that name the file. */
import { constants, openSync } from 'node:fs'

export class FileError extends Error {
  override readonly name = 'FileError'
  readonly path: string
  constructor(path: string, reason: string, options?: ErrorOptions) {
    super(`${path} ${reason}`, options)
    this.path = path
  }
}

const uploadReasons: Record<string, string> = {
  EACCES: 'cannot be read: permission denied',
  EPERM: 'cannot be read: permission denied',
  ENOENT: 'vanished while it was being uploaded',
  ELOOP: 'changed into a symbolic link while it was being uploaded',
  ENOTDIR: 'changed into another kind of file while it was being uploaded',
  EISDIR: 'changed into a directory while it was being uploaded',
}

export function changedWhileUploading(path: string): FileError {
  return new FileError(path, 'changed while it was being uploaded')
}

const readFlags = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW

/** Opens a file to be read. What took its place meanwhile is not waited for, as a pipe, nor followed, as a link.
 *  Errors: FileError. */
export function openToRead(path: string): number {
  return whileReading(path, () => openSync(path, readFlags))
}

/** Does `work`, which reads a file. Errors: FileError in place of what the system says. */
export function whileReading<T>(path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw error instanceof Error && 'syscall' in error ? fileError(path, error) : error
  }
}

/** Does `work`, which writes a file. Errors: FileError in place of what the system says. */
export function whileWriting<T>(path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw asWriteError(path, error)
  }
}

/** FileError in place of what the system says; all else as it is. */
export function asWriteError(path: string, error: unknown): unknown {
  if (!(error instanceof Error && 'syscall' in error)) return error
  return new FileError(path, `cannot be written: ${error.message}`, { cause: error })
}

/** What an errno means for a file that is read for an upload. */
export function fileError(path: string, error: unknown): FileError {
  return readError(path, error, uploadReasons)
}

/** What an errno means for a file that somebody names. */
export function namedFileError(path: string, error: unknown): FileError {
  return readError(path, error, {
    ENOENT: 'does not exist',
    EISDIR: 'is a directory; name one file of it',
  })
}

function readError(path: string, error: unknown, reasons: Record<string, string>): FileError {
  const { code = '', message } = error as NodeJS.ErrnoException
  return new FileError(path, reasons[code] ?? `cannot be read: ${message}`, { cause: error })
}
