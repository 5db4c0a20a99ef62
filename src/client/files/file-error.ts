/** Errors of local files, with messages that name the file. */
import { constants, openSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { hasErrno } from '../../core/errors.ts'

export class FileError extends Error {
  override readonly name: string = 'FileError'
  readonly path: string
  constructor(path: string, reason: string, options?: ErrorOptions) {
    super(`${path} ${reason}`, options)
    this.path = path
  }
}

/** A symlink cannot be created where it is wanted, whatever it points to. */
export class SymlinkError extends FileError {
  override readonly name = 'SymlinkError'
  constructor(path: string, cause: unknown) {
    super(path, 'cannot be created: symlinks are not supported there, or not permitted', { cause })
  }
}

const uploadReasons: Record<string, string> = {
  EACCES: 'cannot be read: permission denied',
  EPERM: 'cannot be read: permission denied',
  ENOENT: 'disappeared during the upload',
  ELOOP: 'became a symlink during the upload',
  ENOTDIR: 'became another kind of file during the upload',
  EISDIR: 'became a directory during the upload',
}

export function changedWhileUploading(path: string): FileError {
  return new FileError(
    path,
    'changed during the upload: send it when nothing writes to it, or a copy',
  )
}

/** Something in DEST is not what it was when the download examined it. */
export function becameAnother(path: string, kind: 'directory' | 'file'): FileError {
  return new FileError(path, `is no longer a ${kind}: another program changed it`)
}

const readFlags = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW

/** Opens a file for reading. If something else has taken its place, neither waits for a pipe nor
 *  follows a symlink.
 *  Errors: FileError. */
export function openToRead(path: string): number {
  return whileReading(path, () => openSync(path, readFlags))
}

/** Runs `work`, which reads a file. Errors: FileError in place of system errors. */
export function whileReading<T>(path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw error instanceof Error && 'syscall' in error ? fileError(path, error) : error
  }
}

/** Runs `work`, which writes a file. Errors: FileError in place of system errors. */
export function whileWriting<T>(path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw asWriteError(path, error)
  }
}

/** Turns a system error into a FileError; returns any other error unchanged. */
export function asWriteError(path: string, error: unknown): unknown {
  if (!(error instanceof Error && 'syscall' in error)) return error
  // The message would name a temporary file.
  const isHomeless = hasErrno(error, 'ENOENT')
  const reason = isHomeless ? 'its directory does not exist' : error.message
  return new FileError(path, `cannot be written: ${reason}`, { cause: error })
}

/** The error for a file of an upload that cannot be read. */
export function fileError(path: string, error: unknown): FileError {
  return readError(path, error, uploadReasons)
}

/** The error for a file that the user names and that cannot be read. */
export function namedFileError(path: string, error: unknown): FileError {
  return readError(path, error, {
    ENOENT: 'does not exist',
    ENOTDIR: 'does not exist',
    EISDIR: 'is a directory; name a file in it',
  })
}

/** Reads a text file that the user names. Errors: FileError. */
export async function readNamedText(path: string): Promise<string> {
  return await readFile(path, 'utf8').catch((error: unknown) => {
    throw namedFileError(path, error)
  })
}

function readError(path: string, error: unknown, reasons: Record<string, string>): FileError {
  const { code = '', message } = error as NodeJS.ErrnoException
  return new FileError(path, reasons[code] ?? `cannot be read: ${message}`, { cause: error })
}
