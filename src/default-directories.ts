/** Where things are kept when nobody says. */
import { existsSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { builtRoot, homeDirectory, programRoot } from './program-files.ts'
import type { Environment } from './settings.ts'

/** `./data` of a checkout; an installed package ships no `src` and keeps its data with the user. Null without a home. */
export function defaultDataDir(env: Environment): string | null {
  const root = fileURLToPath(new URL(programRoot === builtRoot ? '../..' : '..', programRoot))
  if (existsSync(join(root, 'src')) && !root.includes('node_modules')) return join(root, 'data')
  return xdg(env, 'XDG_DATA_HOME', '.local/share')
}

/** Null without a home. */
export function defaultCacheDir(env: Environment): string | null {
  return xdg(env, 'XDG_CACHE_HOME', '.cache')
}

/** Our own below a directory of the user's. */
function xdg(env: Environment, name: string, fallback: string): string | null {
  const value = env[name]
  // XDG base directory specification: relative paths are to be ignored.
  if (value !== undefined && isAbsolute(value)) return join(value, 'trove')
  const home = homeDirectory()
  return home === null ? null : join(home, fallback, 'trove')
}
