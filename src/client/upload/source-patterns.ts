/** Patterns of `trove upload`, with the meaning that `@actions/glob` gives them: minimatch
 *  without braces and extended globs. `*` stays within a segment, `**` crosses segments, a path
 *  includes everything below it, `!` excludes, in order, and the search starts at the part
 *  before the first wildcard. The package itself makes a system call for each match and takes
 *  seconds for 100,000 files. A test compares both on random trees. */
import { dirname, isAbsolute, resolve } from 'node:path'
import { Minimatch, type ParseReturnFiltered } from 'minimatch'
import { withoutEndSlashes } from '../../core/manifest/entry.ts'
import {
  escapePath,
  rootOf,
  slashed,
  spelledAlike,
  splitRelative,
  withSlashes,
} from '../files/paths.ts'
import { isWindows } from '../files/system.ts'
import { findLstat } from './source-stats.ts'

/** How a path matches a list of patterns. A path may match only as a directory (a pattern with a
 *  trailing slash), or only as something else (when such a pattern excludes it). */
export interface PatternMatch {
  asDirectory: boolean
  asLeaf: boolean
}

export interface SourcePatterns {
  /** Absolute paths where the search starts, none below another, in the order given. */
  readonly searchPaths: readonly string[]
  /** True when nothing is excluded and every pattern is a plain path, so that everything below a
   *  search path matches. */
  readonly isPlain: boolean
  match(path: string): PatternMatch
  /** Whether the directory `path`, or anything below it, can match. */
  mayMatchBelow(path: string): boolean
}

interface Pattern {
  negate: boolean
  onlyDirectories: boolean
  isImplicit: boolean
  endsInGlobstar: boolean
  isLiteral: boolean
  searchPath: string
  matcher: Minimatch
  /** A name that is a segment of every matching path; undefined when there is none or it is
   *  unknown. */
  name: string | undefined
}

const noneBits = 0
const directoryBits = 1
const leafBits = 2
const allBits = 3

/** Compiles `patterns`; relative ones start at the absolute `directory`. A pattern that exists
 *  verbatim as a path means that path, whatever wildcards are in its name. */
export function compileSourcePatterns(
  patterns: readonly string[],
  directory: string,
): SourcePatterns {
  const explicit = patterns.flatMap((text) => {
    // An existing name may begin or end with blanks.
    const own = text !== '' && findLstat(resolve(directory, text)) ? text : text.trim()
    return own === '' ? [] : [compilePattern(own, directory)]
  })
  const compiled = explicit.flatMap((pattern) => [pattern, ...descendantsOf(pattern)])
  const positive = compiled.filter((pattern) => !pattern.negate)
  return {
    searchPaths: searchPathsOf(positive),
    isPlain: explicit.every(
      (pattern) => !pattern.negate && pattern.isLiteral && !pattern.onlyDirectories,
    ),
    match: (path) => {
      const parts = compiled[0]?.matcher.slashSplit(path) ?? []
      const names = new Set(parts)
      let bits = noneBits
      for (const pattern of compiled) {
        // Exclude lists can have thousands of patterns, most of which cannot affect a given path.
        if (bits === (pattern.negate ? noneBits : allBits)) continue
        if (pattern.name !== undefined && !names.has(pattern.name)) continue
        if (pattern.negate) bits &= ~matchBits(pattern, parts)
        else bits |= matchBits(pattern, parts)
      }
      return { asDirectory: (bits & directoryBits) !== 0, asLeaf: (bits & leafBits) !== 0 }
    },
    mayMatchBelow: (path) => {
      if (path.endsWith('/')) return positive.length > 0
      const parts = path.split('/')
      return positive.some(({ matcher }) => matcher.matchOne(parts, matcher.set[0]!, true))
    },
  }
}

function compilePattern(text: string, directory: string): Pattern {
  let pattern = withSlashes(text)
  let negate = false
  while (pattern.startsWith('!')) {
    negate = !negate
    pattern = pattern.slice(1).trim()
  }
  const absolute = absolutePattern(pattern, directory)
  const onlyDirectories = absolute !== rootOf(absolute) && absolute.endsWith('/')
  return patternOf(onlyDirectories ? withoutEndSlashes(absolute) : absolute, {
    negate,
    onlyDirectories,
    isImplicit: false,
  })
}

function patternOf(
  absolute: string,
  flags: Pick<Pattern, 'negate' | 'onlyDirectories' | 'isImplicit'>,
): Pattern {
  const root = rootOf(absolute)
  const segments = absolute.slice(root.length).split('/')
  const literals = segments.map(literalOf)
  const firstWild = literals.indexOf(undefined)
  const literal = firstWild === -1 ? literals : literals.slice(0, firstWild)
  // The options of @actions/glob 0.7 (internal-pattern.js).
  const matcher = new Minimatch(absolute, {
    dot: true,
    nobrace: true,
    nocase: isWindows,
    nocomment: true,
    noext: true,
    nonegate: true,
  })
  return {
    ...flags,
    endsInGlobstar: segments.at(-1) === '**',
    isLiteral: firstWild === -1,
    searchPath: root + literal.join('/'),
    matcher,
    // Names are case-insensitive on Windows.
    name: isWindows ? undefined : matcher.set[0]!.findLast(isName),
  }
}

/** A pattern also matches everything below it (`implicitDescendants`). */
function descendantsOf(pattern: Pattern): Pattern[] {
  if (pattern.endsInGlobstar && !pattern.onlyDirectories) return []
  const below = `${slashed(pattern.matcher.pattern)}**`
  return [patternOf(below, { negate: pattern.negate, onlyDirectories: false, isImplicit: true })]
}

function absolutePattern(pattern: string, directory: string): string {
  const path = withSlashes(resolve(directory, pattern))
  if (findLstat(path)) return escapePath(pattern.endsWith('/') ? slashed(path) : path)
  // On Windows the drive may be omitted.
  if (pattern.startsWith('/')) return rootOf(path) + pattern.slice(1)
  if (isAbsolute(pattern)) return pattern
  // `..` is only resolved before the first wildcard, where it has a meaning.
  const { start, rest } = splitRelative(pattern)
  const base = escapePath(withSlashes(resolve(directory, start)))
  return rest === '' ? base : slashed(base) + rest
}

/** Returns the one name that a segment matches, or undefined when it has wildcards
 *  (internal-pattern.js, `getLiteral`). */
function literalOf(segment: string): string | undefined {
  let literal = ''
  for (let at = 0; at < segment.length; at++) {
    const character = segment[at]!
    if (character === '\\' && at + 1 < segment.length) {
      literal += segment[++at]
    } else if (character === '*' || character === '?') {
      return undefined
    } else if (character === '[') {
      const set = /^\[((?:\\.|[^\]\\])*)\]/.exec(segment.slice(at))
      const members = set?.[1]?.replaceAll(/\\(.)/g, '$1')
      if (members !== undefined && members.length > 1) return undefined
      literal += members === undefined || members === '' ? '[' : members
      if (set !== null && members !== '') at += set[0].length - 1
    } else {
      literal += character
    }
  }
  return literal
}

/** Whether minimatch compares the part literally. */
function isName(part: ParseReturnFiltered): part is string {
  return typeof part === 'string' && part !== ''
}

function matchBits(pattern: Pattern, parts: string[]): number {
  // A user's pattern that ends in `**` also matches the directory before it.
  const subject = pattern.endsInGlobstar && !pattern.isImplicit ? [...parts, ''] : parts
  const { matcher } = pattern
  if (!matcher.matchOne(subject, matcher.set[0]!)) return noneBits
  return pattern.onlyDirectories ? directoryBits : allBits
}

function searchPathsOf(positive: readonly Pattern[]): string[] {
  const candidates = new Set(spelledAlike(positive.map((pattern) => pattern.searchPath)))
  const hasAncestor = (path: string): boolean => {
    for (let at = path; at !== rootOf(path);) {
      at = dirname(at)
      if (candidates.has(at)) return true
    }
    return false
  }
  return [...candidates].filter((path) => !hasAncestor(path))
}
