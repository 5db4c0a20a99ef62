/** Absolute paths as text. Windows' calls accept slashes, so all paths are written with slashes. */
import { basename, dirname, parse } from 'node:path'
import { invalidRequest } from '../../core/errors.ts'
import { isWindows } from './system.ts'

export function withSlashes(path: string): string {
  return isWindows ? path.replaceAll('\\', '/') : path
}

/** Root of an absolute path with slashes: `/`; on Windows `C:/` or `//SERVER/SHARE/`. */
export function rootOf(path: string): string {
  return parse(path).root
}

/** Returns a directory path ready to have a name appended. Only a root ends in a slash by
 *  itself. */
export function slashed(directory: string): string {
  return directory.endsWith('/') ? directory : `${directory}/`
}

/** Takes absolute, normalized paths. Errors: invalid_request, when they have no common ancestor. */
export function leastCommonAncestor(paths: readonly string[]): string {
  const [root = '', ...others] = new Set(paths.map(rootOf))
  if (others.length > 0) {
    const reason = `paths on ${[root, ...others].join(' and ')} have no common directory`
    throw invalidRequest('PATH', reason)
  }
  const [head = [], ...rest] = paths.map((path) => path.split('/'))
  let length = 0
  while (length < head.length && rest.every((other) => other[length] === head[length])) length += 1
  const common = head.slice(0, length).join('/')
  return common.length < root.length ? root : common
}

/** Takes absolute paths with slashes. On Windows, spells a directory that several paths share as
 *  the first of them does. */
export function spelledAlike(paths: readonly string[]): readonly string[] {
  if (!isWindows) return paths
  const spellings = new Map<string, string>()
  const spell = (path: string): string => {
    const known = spellings.get(path.toLowerCase())
    if (known !== undefined) return known
    const parent = dirname(path)
    const spelled = parent === path ? path : slashed(spell(parent)) + basename(path)
    spellings.set(path.toLowerCase(), spelled)
    return spelled
  }
  return paths.map(spell)
}

/** Splits a relative pattern into its start, which is not part of a name, and the rest. The
 *  start is leading dots, and on Windows a drive, which has a current directory of its own. */
export function splitRelative(pattern: string): { start: string; rest: string } {
  const starts = isWindows ? /^(?:[a-z]:)?(?:\.{1,2}(?:\/+|$))*/i : /^(?:\.{1,2}(?:\/+|$))*/
  const [start] = starts.exec(pattern)!
  return { start, rest: pattern.slice(start.length) }
}

/** Returns the glob that matches only this path. */
export function escapePath(path: string): string {
  return path
    .replaceAll('\\', '\\\\')
    .replaceAll(/\[(?=[^/]+\])/g, '[[]')
    .replaceAll('?', '[?]')
    .replaceAll('*', '[*]')
}
