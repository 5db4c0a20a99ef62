import fc from 'fast-check'
import { minimatch } from 'minimatch'
import { describe, expect, test } from 'vitest'
import { hasCode } from '../../src/core/errors.ts'
import { compilePathGlobs, compileSelection, joinPathGlobs } from '../../src/core/glob/path-glob.ts'
import { turns } from '../turns.ts'

const matches = (pattern: string, path: string): boolean => compilePathGlobs([pattern])(path)

describe('semantics', () => {
  test.each([
    ['*.txt', 'a.txt', true],
    ['*.txt', 'd/a.txt', false],
    ['**/*.txt', 'a.txt', true],
    ['**/*.txt', 'd/e/a.txt', true],
    ['dist/**', 'dist/a/b', true],
    ['dist/**', 'dist', false],
    ['dist', 'dist/a', false],
    ['**', '.hidden/x', true],
    ['*', '.hidden', true],
    ['a/**/b', 'a/b', true],
    ['a/**/b', 'a/x/y/b', true],
    ['a**b', 'a/b', false],
    ['?', 'ü', true],
    ['?', '\u{1F600}', true],
    ['[a-c]x', 'bx', true],
    ['[!a-c]x', 'bx', false],
    ['[]]', ']', true],
    ['[', '[', true],
    ['{a,b{c,d}}.js', 'bd.js', true],
    ['{a}', '{a}', true],
    ['{a,}x', 'x', true],
    ['\\*', '*', true],
    ['\\*', 'a', false],
    ['./a', 'a', true],
    ['#a', '#a', true],
    ['A', 'a', false],
  ])('%s of %s: %s', (pattern, path, answer) => {
    expect(matches(pattern, path)).toBe(answer)
  })

  test('a path needs to match only one of several patterns', () => {
    const filter = compilePathGlobs(['*.js', 'docs/**'])
    expect(['a.js', 'docs/x', 'a.ts'].map(filter)).toEqual([true, true, false])
  })
})

test.each([
  ['dist', ['dist', 'dist/a', 'dist/a/b'], ['a/dist', 'dist2']],
  ['{a,b/c}', ['a/x', 'b/c', 'b/c/d'], ['b', 'b/d']],
  ['\\*', ['*', '*/x'], ['a', 'a/x']],
  ['*', ['a'], ['a/x']],
  ['dist/*', ['dist/a'], ['dist', 'dist/a/b']],
])('the selection %s takes %j and not %j', (pattern, taken, others) => {
  const takes = compileSelection([pattern])
  expect([...taken, ...others].filter(takes)).toEqual(taken)
})

test('random patterns of the supported syntax match exactly what minimatch matches', () => {
  const piece = fc.constantFrom(
    'a',
    'b',
    '.',
    'ab',
    '*',
    '?',
    '[ab]',
    '[!a]',
    '[a-b]',
    '{a,b}',
    '{a,bb,*}',
    '\\*',
  )
  const segment = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.array(piece, { minLength: 1, maxLength: 4 }).map((pieces) => pieces.join('')),
    },
    { weight: 1, arbitrary: fc.constant('**') },
  )
  const pattern = fc
    .array(segment, { minLength: 1, maxLength: 4 })
    .map((segments) => segments.join('/'))
  const name = fc.stringMatching(/^[ab.*]{1,4}$/).filter((text) => text !== '.' && text !== '..')
  const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join('/'))
  fc.assert(
    fc.property(pattern, path, fc.nat(70), (shortGlob, shortPath, count) => {
      const prefix = count < 20 ? '' : `${'x'.repeat(count)}/`
      const [glob, subject] = [prefix + shortGlob, prefix + shortPath]
      // To minimatch, the segments `.` and `..` are directories; entry paths have none.
      fc.pre(!glob.split('/').some((text) => /^\.{1,2}$/.test(text)))
      fc.pre(glob.split('{').length <= (prefix === '' ? 5 : 3))
      expect(matches(glob, subject)).toBe(minimatch(subject, glob, { dot: true, nocomment: true }))
    }),
    { numRuns: turns(5000) },
  )
})

test('joined patterns match what any of them matches, whatever commas, braces and backslashes they contain', () => {
  const piece = fc.constantFrom('a', 'b', '*', ',', '{', '}', '{a,b}', '{,b}', '[,{]', '\\', '\\,')
  const pattern = fc.array(piece, { minLength: 1, maxLength: 5 }).map((pieces) => pieces.join(''))
  const patterns = fc.tuple(pattern, pattern, pattern)
  const path = fc.stringMatching(/^[ab,{}\\]{1,4}$/)
  fc.assert(
    fc.property(patterns, path, (globs, subject) => {
      expect(matches(joinPathGlobs(globs), subject)).toBe(compilePathGlobs(globs)(subject))
    }),
    { numRuns: turns(5000) },
  )
})

test('unsupported syntax is rejected, not misread', () => {
  expect(compilePathGlobs(['secrets/{,old}/**'])('secrets/key')).toBe(true)
  const stray = ['/', '/a', 'a/', './', '**/', 'a//b']
  for (const pattern of ['!a', '+(a|b)', 'x/@(a)', '{1..3}', '[[:alpha:]]', ...stray]) {
    const error: unknown = (() => {
      try {
        return compilePathGlobs([pattern])
      } catch (failure) {
        return failure
      }
    })()
    expect(hasCode(error, 'invalid_request'), pattern).toBe(true)
  }
})

test('patterns that expand to too much are rejected', () => {
  expect(() => compilePathGlobs(['{a,b}'.repeat(30)])).toThrow('characters')
  // Expands to empty patterns, a million of them.
  expect(() => compilePathGlobs(['{,}'.repeat(20)])).toThrow('characters')
  expect(() => compilePathGlobs(['a'.repeat(5000)])).toThrow('characters')
})

// Goal: no pattern can delay other users.
test('a path is read only once', () => {
  const startedAt = performance.now()
  const long = compilePathGlobs([`*[${'b'.repeat(4080)}a]b`])
  for (let turn = 0; turn < 50; turn++) expect(long('a'.repeat(4096))).toBe(false)
  expect(matches(`${'*a'.repeat(60)}*b`, 'a'.repeat(255))).toBe(false)
  expect(matches(`${'**/a/'.repeat(60)}b`, 'a/'.repeat(1000) + 'a')).toBe(false)
  // A backtracking matcher would not return.
  expect(performance.now() - startedAt).toBeLessThan(2000)
})
