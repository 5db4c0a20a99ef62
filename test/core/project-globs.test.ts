/** Globs of projects, compared with each other. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compileProjectGlobs, isWithin } from '../../src/core/access/project-globs.ts'

test.each([
  ['octo/app', '**', true],
  ['octo/*', '**', true],
  ['octo/App', 'Octo/*', true],
  ['octo/*', 'OCTO/**', true],
  ['octo/a/*', 'octo/**', true],
  ['octo/{a,b}', 'octo/**', true],
  ['octo/**', 'octo/*', false],
  ['octo/**', 'octo/a/**', false],
  ['octo/**', 'o*/**', false],
  ['octopus/*', 'octo/**', false],
  ['**', 'octo/**', false],
  ['octo/app', 'octo/ap', false],
])('%s is within %s: %s', (glob, wider, is) => {
  expect(isWithin(glob, wider)).toBe(is)
})

test('a glob that is within another matches no project that the other does not match', () => {
  const piece = fc.constantFrom('a', 'b', 'A', '*', '**', '?', '{a,b}', '{,a}', '[ab]', '\\a', 'aa')
  const globs = fc.oneof(
    fc.array(piece, { minLength: 2, maxLength: 4 }).map((pieces) => pieces.join('/')),
    fc.constant('**'),
  )
  const projects = fc
    .array(fc.constantFrom('a', 'b', 'ab', 'aa'), { minLength: 2, maxLength: 4 })
    .map((segments) => segments.join('/'))
  fc.assert(
    fc.property(globs, globs, projects, (glob, wider, project) => {
      fc.pre(isWithin(glob, wider) && compileProjectGlobs([glob])(project))
      expect(compileProjectGlobs([wider])(project)).toBe(true)
    }),
    { numRuns: 1000 },
  )
})
