/** Path globs with minimatch's semantics: `*` and `?` stay within a segment, `**` crosses segments,
 *  `[a-z]`, `[!a]`, `{a,b}`, and a backslash escapes the next character. A leading dot is not
 *  special.
 *
 *  Matching reads a path once and takes a millisecond or two at worst (`glob-automaton.ts`).
 *  minimatch and picomatch are not used because they build regular expressions, in which a pattern
 *  such as `*a*a*a*a*b` can take seconds for one path, and anybody with read access can send
 *  patterns. Unsupported syntax is rejected, never given another meaning. */
import { invalidRequest, storeError, tooLarge } from '../errors.ts'
import { createGlobMatcher, globstar, type SegmentPattern, type Token } from './glob-automaton.ts'
import { limits } from '../limits.ts'

/** Returns a function that reports whether a path matches at least one of `patterns`.
 *  Errors: invalid_request, too_large. */
export function compilePathGlobs(patterns: readonly string[]): (path: string) => boolean {
  return createGlobMatcher([...alternativesOf(patterns)])
}

/** As `compilePathGlobs`, for selecting a part of an artifact: a pattern without wildcards also
 *  matches all below the directory that it names. Errors: invalid_request, too_large. */
export function compileSelection(patterns: readonly string[]): (path: string) => boolean {
  const alternatives = [...alternativesOf(patterns)]
  const below = alternatives
    .filter(isLiteral)
    .map((literal): SegmentPattern[] => [...literal, globstar, anyName])
  return createGlobMatcher([...alternatives, ...below])
}

function* alternativesOf(patterns: readonly string[]): Generator<SegmentPattern[]> {
  let characters = 0
  for (const pattern of patterns) {
    // Such a pattern matches nothing, and a user who excludes `secrets/` would believe that it is
    // left out.
    if (/^\/|\/\/|\/$/.test(pattern)) throw refuse(pattern, straySlash)
    for (const alternative of expandBraces(pattern)) {
      characters += costOf(alternative)
      if (characters > limits.globCharactersMax) throw tooLong()
      // As in minimatch, `a/{,b}/c` includes `a/c`.
      yield parsePattern(alternative.replaceAll(/\/{2,}/g, '/'))
    }
  }
}

function isLiteral(pattern: readonly SegmentPattern[]): boolean {
  return pattern.every(
    (segment) => segment !== globstar && segment.every(({ kind }) => kind === 'character'),
  )
}

/** The error for globs that match no path of an artifact. */
export function nothingMatches(globs: readonly string[]): Error {
  const reason = `no path in the artifact matches ${globs.join(', ')}`
  return storeError('no_files', reason, { patterns: [...globs] })
}

const straySlash =
  'paths have single slashes, and none at either end; to match all below a directory write "directory/**"'

/** Returns one pattern that matches whatever at least one of `patterns` matches. */
export function joinPathGlobs(patterns: readonly [string, ...string[]]): string {
  return patterns.length === 1 ? patterns[0] : `{${patterns.map(enclosed).join(',')}}`
}

/** Escapes the commas and braces that would otherwise be read as part of enclosing braces. */
function enclosed(pattern: string): string {
  let text = ''
  for (let at = 0; at < pattern.length; at++) {
    const character = pattern[at]!
    const close = character === '{' ? findBorders(pattern, at)?.at(-1) : undefined
    if (close !== undefined) {
      text += pattern.slice(at, close + 1)
      at = close
    } else if (character === '\\') {
      at += 1
      text += `\\${pattern[at] ?? '\\'}`
    } else {
      text += '{,}'.includes(character) ? `\\${character}` : character
    }
  }
  return text
}

function tooLong(): Error {
  const limitValue = limits.globCharactersMax
  const reason = `path patterns have more than ${limitValue} characters after brace expansion`
  return tooLarge('characters of path patterns', limitValue, reason)
}

function refuse(pattern: string, reason: string): Error {
  const message = `invalid path pattern ${JSON.stringify(pattern)}: ${reason}`
  return invalidRequest('path', message)
}

/** Expands `a{b,c}d` to `abd`, `acd`, nested braces too. A brace without a comma or a partner is
 *  literal. */
function expandBraces(pattern: string): string[] {
  const done: string[] = []
  const waiting = [pattern]
  let characters = costOf(pattern)
  while (waiting.length > 0) {
    if (characters > limits.globCharactersMax) throw tooLong()
    const next = waiting.pop()!
    const choices = findChoices(next)
    if (choices === undefined) {
      done.push(next)
      continue
    }
    waiting.push(...choices.toReversed())
    characters += choices.reduce((sum, choice) => sum + costOf(choice), -costOf(next))
  }
  return done
}

/** In characters. Empty patterns cost too: `{,}` twenty times expands to a million of them. */
function costOf(pattern: string): number {
  return pattern.length + 1
}

/** Returns the expansions of the first pair of braces that contains a comma, with the text around
 *  it; undefined if there is none. */
function findChoices(pattern: string): string[] | undefined {
  for (let open = 0; open < pattern.length; open++) {
    if (pattern[open] === '\\') open += 1
    else if (pattern[open] === '{') {
      const borders = findBorders(pattern, open)
      const close = borders?.at(-1)
      if (borders === undefined || close === undefined) continue
      if (borders.length > 2) {
        const head = pattern.slice(0, open)
        const tail = pattern.slice(close + 1)
        return borders
          .slice(1)
          .map((end, index) => head + pattern.slice(borders[index]! + 1, end) + tail)
      }
      if (pattern.slice(open, close).includes('..'))
        throw refuse(pattern, 'brace sequences such as {1..3} are not supported')
    }
  }
  return undefined
}

/** Returns the positions of the brace at `open`, of the commas at its level, and of its closing
 *  brace; undefined if it is not closed. */
function findBorders(pattern: string, open: number): number[] | undefined {
  const borders = [open]
  let depth = 0
  for (let at = open; at < pattern.length; at++) {
    const character = pattern[at]
    if (character === '\\') at += 1
    else if (character === '{') depth += 1
    else if (character === ',' && depth === 1) borders.push(at)
    else if (character === '}' && --depth === 0) return [...borders, at]
  }
  return undefined
}

const anyName: Token[] = [{ kind: 'star' }]

function parsePattern(pattern: string): SegmentPattern[] {
  if (pattern.startsWith('!')) throw refuse(pattern, 'it is a negation')
  const segments = pattern.replace(/^(?:\.\/+)+/, '').split('/')
  const parsed = segments.map((segment) =>
    segment === '**' ? globstar : parseSegment(segment, pattern),
  )
  // `a/**` matches what lies below a, not a itself.
  if (parsed.at(-1) === globstar) parsed.push(anyName)
  return parsed
}

function parseSegment(segment: string, pattern: string): Token[] {
  const characters = Array.from(segment)
  const tokens: Token[] = []
  let at = 0
  while (at < characters.length) {
    const character = characters[at]!
    if ('?*+@!'.includes(character) && characters[at + 1] === '(') {
      throw refuse(pattern, `extended globs such as "${character}(" are not supported`)
    }
    at += 1
    if (character === '*') {
      if (tokens.at(-1)?.kind !== 'star') tokens.push({ kind: 'star' })
    } else if (character === '?') {
      tokens.push({ kind: 'any' })
    } else if (character === '[') {
      const end = endOfSet(characters, at)
      tokens.push(
        end === undefined
          ? { kind: 'character', character }
          : parseSet(characters.slice(at, end), pattern),
      )
      at = end === undefined ? at : end + 1
    } else {
      const escaped = character === '\\' ? characters[at++] : undefined
      tokens.push({ kind: 'character', character: escaped ?? character })
    }
  }
  return tokens
}

/** Returns the position of the bracket that closes the set starting at `start`, or undefined. A
 *  closing bracket in first position is a literal member. */
function endOfSet(characters: string[], start: number): number | undefined {
  const first = characters[start] === '!' || characters[start] === '^' ? start + 1 : start
  for (let at = first; at < characters.length; at++) {
    if (characters[at] === '\\') at += 1
    else if (characters[at] === ']' && at > first) return at
  }
  return undefined
}

function parseSet(characters: string[], pattern: string): Token {
  if (/\[[:.=]/.test(characters.join('')))
    throw refuse(pattern, 'named character classes are not supported')
  const negated = characters[0] === '!' || characters[0] === '^'
  const ranges: [string, string][] = []
  let at = negated ? 1 : 0
  const take = (): string => {
    if (characters[at] === '\\' && at + 1 < characters.length) at += 1
    return characters[at++]!
  }
  while (at < characters.length) {
    const first = take()
    if (characters[at] !== '-' || at + 1 >= characters.length) {
      ranges.push([first, first])
      continue
    }
    at += 1
    ranges.push([first, take()])
  }
  return { kind: 'set', negated, ranges }
}
