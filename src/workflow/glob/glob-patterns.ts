/** Makes users' patterns absolute for `@actions/glob`, which resolves relative ones against the
 *  directory of this process and `~` against its user's home. A job has its own directory and
 *  home. */
import { escapePath } from '../../client/files/paths.ts'

export interface PatternRoots {
  /** Absolute directory against which relative patterns are resolved. */
  directory: string
  /** Absolute home directory, for `~`; undefined makes `~` an error. */
  home: string | undefined
}

/** Rewrites each line. Drops blank lines and comments (`#`). Negation (`!`) stays in front. */
export function absolutePatterns(text: string, roots: PatternRoots): string {
  const lines = text.split(/\r?\n/).map((line) => line.trim())
  return lines
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => absolutePattern(line, roots))
    .join('\n')
}

function absolutePattern(line: string, roots: PatternRoots): string {
  const [, marks = '', pattern = ''] = /^((?:!\s*)*)(.*)$/s.exec(line) ?? []
  const negation = marks.replaceAll(/\s/g, '')
  if (pattern === '' || pattern.startsWith('/')) return negation + pattern
  if (pattern === '~' || pattern.startsWith('~/')) {
    if (roots.home === undefined)
      throw new Error(`Cannot resolve path ${JSON.stringify(pattern)}: HOME is not set`)
    return negation + escapePath(roots.home) + pattern.slice(1)
  }
  if (pattern === '.' || pattern.startsWith('./')) {
    return negation + escapePath(roots.directory) + pattern.slice(1)
  }
  return `${negation}${escapePath(roots.directory)}/${pattern}`
}
