/** Patterns as users write them, made absolute for `@actions/glob`, which roots relative ones at the directory of this
 *  process and `~` at its user's home; a job has its own of both. */
import { escapePath } from '../client/files/paths.ts'

export interface PatternRoots {
  /** Absolute directory that relative patterns start from. */
  directory: string
  /** Absolute home directory, for `~`; undefined makes `~` an error. */
  home: string | undefined
}

/** Rewrites each line; blank lines and comments (`#`) are kept out. Negation (`!`) stays in front. */
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
      throw new Error(`cannot resolve ${JSON.stringify(pattern)}: HOME is not set`)
    return negation + escapePath(roots.home) + pattern.slice(1)
  }
  if (pattern === '.' || pattern.startsWith('./')) {
    return negation + escapePath(roots.directory) + pattern.slice(1)
  }
  return `${negation}${escapePath(roots.directory)}/${pattern}`
}
