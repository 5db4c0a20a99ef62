/** Default locations of data, cache and logins. */
import { existsSync } from 'node:fs'
import { isAbsolute, join, posix, win32 } from 'node:path'
import { fileURLToPath } from 'node:url'
import { builtRoot, homeDirectory, programRoot } from '../program-files.ts'
import type { Environment } from './settings.ts'

/** `data` in the program's checkout. An installed package ships no `src`; its data is in the
 *  user's data directory. Null without a home directory. */
export function defaultDataDir(env: Environment): string | null {
  const root = fileURLToPath(new URL(programRoot === builtRoot ? '../..' : '..', programRoot))
  if (existsSync(join(root, 'src')) && !root.includes('node_modules')) return join(root, 'data')
  return xdg(env, 'XDG_DATA_HOME', '.local/share')
}

/** Null without a home directory. */
export function defaultCacheDir(env: Environment): string | null {
  return xdg(env, 'XDG_CACHE_HOME', '.cache')
}

/** The file in which `trove login` stores tokens; null without a home directory. `place` defaults
 *  to this process. */
export function loginsFile(
  env: Environment,
  place: { platform: string; home: string | null } = {
    platform: process.platform,
    home: homeDirectory(),
  },
): string | null {
  const { platform, home } = place
  const isWindows = platform === 'win32'
  const path = isWindows ? win32 : posix
  const named = env[isWindows ? 'APPDATA' : 'XDG_CONFIG_HOME']
  const fallback = isWindows ? ['AppData', 'Roaming'] : ['.config']
  // XDG base directory specification: relative paths must be ignored.
  const isUsable = named !== undefined && path.isAbsolute(named)
  if (isUsable) return path.join(named, 'trove', 'logins.json')
  return home === null ? null : path.join(home, ...fallback, 'trove', 'logins.json')
}

/** Our directory below one of the user's XDG directories. */
function xdg(env: Environment, name: string, fallback: string): string | null {
  const value = env[name]
  // XDG Base Directory Specification: relative paths must be ignored.
  if (value !== undefined && isAbsolute(value)) return join(value, 'trove')
  const home = homeDirectory()
  return home === null ? null : join(home, fallback, 'trove')
}
