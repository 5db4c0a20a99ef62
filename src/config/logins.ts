/** Reads the tokens that `trove login` stored in a file of the user: one per server, keyed by its
 *  origin. `cli/login/login-store.ts` changes the file. */
import { closeSync, constants, fstatSync, openSync, readFileSync, statSync } from 'node:fs'
import { ConfigError, isHeaderToken } from './settings.ts'
import { hasErrno } from '../core/errors.ts'

export interface Login {
  readonly token: string
  readonly scope: string
  /** Null for scope admin. */
  readonly project: string | null
  /** ISO 8601. */
  readonly expiresAt: string
}

export interface Logins {
  /** Origin of the server that commands use when no flag and no variable names one. */
  readonly defaultUrl: string | null
  /** By origin, without a trailing slash. A token is sent only to the origin it is stored under. */
  readonly byUrl: ReadonlyMap<string, Login>
}

export const noLogins: Logins = { defaultUrl: null, byUrl: new Map() }

const formatVersion = 1
const fileBytesMax = 1024 * 1024

/** Returns no logins if there is no file, or no directory for one (`path` null). On Windows, files
 *  have no mode to check; profile directories there are private. Errors: ConfigError that names the
 *  file: it is unreadable, malformed, or accessible to others. */
export function readLogins(path: string | null, platform: string = process.platform): Logins {
  if (path === null) return noLogins
  const text = readPrivateFile(path, platform !== 'win32')
  return text === undefined ? noLogins : parseLogins(path, text)
}

/** The text that `readLogins` reads back. */
export function formatLogins({ defaultUrl, byUrl }: Logins): string {
  const logins = Object.fromEntries(byUrl)
  return `${JSON.stringify({ version: formatVersion, default: defaultUrl, logins }, null, 2)}\n`
}

function readPrivateFile(path: string, hasModes: boolean): string | undefined {
  let file: number | undefined
  try {
    // A pipe in its place must not be waited for.
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const stats = fstatSync(file)
    if (!stats.isFile()) throw malformed(path)
    // As ssh treats private keys: what others could read, they may have read.
    if (hasModes && (stats.mode & 0o077) !== 0) {
      const mode = (stats.mode & 0o777).toString(8)
      throw refused(path, `can be read or changed by others (mode ${mode}): chmod 600 it`)
    }
    if (stats.size > fileBytesMax) throw malformed(path)
    return readFileSync(file, 'utf8')
  } catch (error) {
    if (!(error instanceof Error && 'syscall' in error)) throw error
    // Another login may put the file there now.
    const isAbsent = hasErrno(error, 'ENOENT')
    if (isAbsent || !isVisible(path)) return undefined
    throw refused(path, `cannot be read: ${error.message}`)
  } finally {
    if (file !== undefined) closeSync(file)
  }
}

/** Not where the directory is closed to this user, either: services and containers often run
 *  with the home of somebody else, or with /dev/null. */
function isVisible(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined
  } catch {
    return false
  }
}

function parseLogins(path: string, text: string): Logins {
  const file = objectOf(parseJson(text))
  if (file === undefined) throw malformed(path)
  const { version, default: defaultUrl, logins } = file
  if (typeof version === 'number' && version > formatVersion)
    throw refused(path, 'was written by a newer version of trove')
  const stored = objectOf(logins)
  const hasDefault = defaultUrl === null || typeof defaultUrl === 'string'
  if (version !== formatVersion || stored === undefined || !hasDefault) throw malformed(path)
  const byUrl = new Map<string, Login>()
  for (const [url, value] of Object.entries(stored)) {
    const login = loginOf(value)
    if (login === undefined || !isOrigin(url)) throw malformed(path)
    byUrl.set(url, login)
  }
  if (defaultUrl !== null && !byUrl.has(defaultUrl)) throw malformed(path)
  return { defaultUrl, byUrl }
}

/** Undefined for text that is not JSON. The parser's message is dropped, because it quotes the
 *  text, which holds tokens. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function loginOf(value: unknown): Login | undefined {
  const { token, scope, project, expiresAt } = objectOf(value) ?? {}
  const isLogin =
    typeof token === 'string' &&
    isHeaderToken(token) &&
    typeof scope === 'string' &&
    (project === null || typeof project === 'string') &&
    typeof expiresAt === 'string'
  return isLogin ? { token, scope, project, expiresAt } : undefined
}

function isOrigin(text: string): boolean {
  return URL.canParse(text) && new URL(text).origin === text
}

function objectOf(value: unknown): Record<string, unknown> | undefined {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
  return isObject ? (value as Record<string, unknown>) : undefined
}

function malformed(path: string): ConfigError {
  return refused(
    path,
    'is not a file that `trove login` wrote: repair it, or delete it and log in again',
  )
}

function refused(path: string, reason: string): ConfigError {
  return new ConfigError([`${path} ${reason}`])
}
