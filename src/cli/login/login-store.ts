/** Changes the file in which `trove login` stores tokens, the way git changes its index: whoever
 *  creates `logins.json.lock` may write, writes the new content into it, and renames it into place.
 *  The lock is held for milliseconds, never during a request. */
import { chmodSync, closeSync, fsyncSync, openSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { asWriteError, FileError } from '../../client/files/file-error.ts'
import { isWindows, rename } from '../../client/files/system.ts'
import { readLoginsFile } from '../../config/config.ts'
import { formatLogins, type Login, type Logins, readLogins } from '../../config/logins.ts'
import { makeDirectories } from '../../make-directories.ts'
import { ConfigError } from '../../config/settings.ts'
import { hasErrno } from '../../core/errors.ts'

/** A lock this old was left by a process that was killed. A rename may take 10 s on Windows
 *  (`client/files/system.ts`). */
const staleMs = 15_000
const pauseMs = 20

/** Where logins are stored. Errors: ConfigError without a home directory. */
export function requireLoginsFile(path: string | null = readLoginsFile()): string {
  if (path !== null) return path
  throw new ConfigError([
    isWindows
      ? 'APPDATA must name a directory to store logins in: there is no home'
      : 'XDG_CONFIG_HOME must name a directory to store logins in: there is no home',
  ])
}

/** Replaces the logins in `path` by those that `change` returns. Only the user can read the
 *  file; it is removed when no login is left. Concurrent calls do not lose each other's changes.
 *  Errors: FileError, those of `readLogins`. */
export async function changeLogins(
  path: string,
  change: (before: Logins) => Logins,
  signal: AbortSignal,
): Promise<void> {
  const lock = `${path}.lock`
  try {
    makeDirectory(dirname(path))
    const file = await openLock(lock, signal)
    try {
      if (writeChange(path, file, change)) {
        await rename(lock, path)
      } else {
        rmSync(path, { force: true })
        rmSync(lock)
      }
    } catch (error) {
      rmSync(lock, { force: true })
      throw error
    }
  } catch (error) {
    throw asWriteError(path, error)
  }
}

/** Returns whether a login is left. Closes `file`. */
function writeChange(path: string, file: number, change: (before: Logins) => Logins): boolean {
  try {
    const after = change(readLogins(path))
    if (after.byUrl.size === 0) return false
    writeFileSync(file, formatLogins(after))
    fsyncSync(file)
    return true
  } finally {
    closeSync(file)
  }
}

/** Adds or replaces the login of a server, which becomes the default. */
export function withLogin({ byUrl }: Logins, url: string, login: Login): Logins {
  return { defaultUrl: url, byUrl: new Map([...byUrl, [url, login]]) }
}

/** Removes the login of a server. If that was the default and one other is left, the other becomes
 *  the default. */
export function withoutLogin({ defaultUrl, byUrl }: Logins, url: string): Logins {
  const left = new Map(byUrl)
  left.delete(url)
  const [only] = left.size === 1 ? left.keys() : []
  return { defaultUrl: defaultUrl === url ? (only ?? null) : defaultUrl, byUrl: left }
}

/** Removes the file, whatever it holds. Errors: FileError. */
export function removeLogins(path: string): void {
  try {
    rmSync(path, { force: true })
  } catch (error) {
    throw asWriteError(path, error)
  }
}

/** Mode 0700. A directory that others may write to would let them replace the file. */
function makeDirectory(directory: string): void {
  makeDirectories(directory, 0o700)
  if (!isWindows && (statSync(directory).mode & 0o077) !== 0) chmodSync(directory, 0o700)
}

async function openLock(lock: string, signal: AbortSignal): Promise<number> {
  for (const end = performance.now() + 2 * staleMs; ;) {
    try {
      return openSync(lock, 'wx', 0o600)
    } catch (error) {
      if (!hasErrno(error, 'EEXIST')) throw error
    }
    if (isStale(lock)) rmSync(lock, { force: true })
    else if (performance.now() >= end)
      throw new FileError(lock, 'is held by another command; delete it if there is none')
    else await sleep(pauseMs, undefined, { signal })
  }
}

function isStale(lock: string): boolean {
  const stats = statSync(lock, { throwIfNoEntry: false })
  return stats !== undefined && Math.abs(Date.now() - stats.mtimeMs) > staleMs
}
