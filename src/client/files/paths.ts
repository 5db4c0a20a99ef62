/** Absolute paths, as text. Calls of Windows take paths with slashes as well, so all are written with them. */
import { basename, dirname, parse } from 'node:path'
import { storeError } from '../../core/errors.ts'
import { isWindows } from './system.ts'

export function withSlashes(path: string): string {
  return isWindows ? path.replaceAll('\\', '/') : path
}

/** Of an absolute path with slashes: `/`, on Windows `C:/` or `//SERVER/SHARE/`. */
export function rootOf(path: string): string {
  return parse(path).root
}

/** The path of a directory, ready to have a name appended; only a root ends in a slash by itself. */
export function slashed(directory: string): string {
  return directory.endsWith('/') ? directory : `${directory}/`
}

/** Of absolute paths without needless segments. Errors: invalid_request, when they have none. */
export function leastCommonAncestor(paths: readonly string[]): string {
  const [root = '', ...others] = new Set(paths.map(rootOf))
  if (others.length > 0) {
    const reason = `what lies on ${[root, ...others].join(' and ')} has no directory in common`
    throw storeError('invalid_request', reason, { field: 'PATH' })
  }
  const [head = [], ...rest] = paths.map((path) => path.split('/'))
  let length = 0
  while (length < head.length && rest.every((other) => other[length] === head[length])) length += 1
  const common = head.slice(0, length).join('/')
  return common.length < root.length ? root : common
}

/** Absolute paths with slashes; a directory that several lie in is spelled as the first of them does. */
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

/** What a relative pattern begins with that is no part of a name: dots, and on Windows a drive, which has a directory of
 *  its own; then the rest. */
export function splitRelative(pattern: string): { start: string; rest: string } {
  const starts = isWindows ? /^(?:[a-z]:)?(?:\.{1,2}(?:\/+|$))*/i : /^(?:\.{1,2}(?:\/+|$))*/
  const [start] = starts.exec(pattern)!
  return { start, rest: pattern.slice(start.length) }
}

/** The glob that matches only this path. */
export function escapePath(path: string): string {
  return path
    .replaceAll('\\', '\\\\')
    .replaceAll(/\[(?=[^/]+\])/g, '[[]')
    .replaceAll('?', '[?]')
    .replaceAll('*', '[*]')
}
