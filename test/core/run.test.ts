import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  formatProjectPath,
  parsePositiveInteger,
  parseProjectName,
  parseProjectPath,
  pullRequestOfRef,
} from '../../src/core/run/run.ts'

const segment = fc
  .stringMatching(/^[A-Za-z0-9_.-]{1,12}$/)
  .filter((text) => text !== '.' && text !== '..')
const project = fc
  .array(segment, { minLength: 2, maxLength: 19 })
  .map((segments) => parseProjectName(segments.join('/')))

describe('a project in URL paths', () => {
  test('has two segments, which need no escaping and parse to the same project', () => {
    fc.assert(
      fc.property(project, (name) => {
        const path = formatProjectPath(name)
        const [owner = '', repo = '', ...rest] = path.split('/')
        expect(rest).toEqual([])
        expect(encodeURI(path)).toBe(path)
        expect(parseProjectPath(owner, repo)).toBe(name)
      }),
    )
  })

  test('has one spelling: a path either formats back to itself or is rejected', () => {
    const part = fc.oneof(segment, fc.stringMatching(/^[a~/.]{0,6}$/))
    fc.assert(
      fc.property(part, part, (owner, repo) => {
        try {
          expect(formatProjectPath(parseProjectPath(owner, repo))).toBe(`${owner}/${repo}`)
        } catch (error) {
          expect(error).toMatchObject({ code: 'invalid_name' })
        }
      }),
    )
  })

  test('with two segments is unchanged', () => {
    expect(formatProjectPath('octo/app.js')).toBe('octo/app.js')
    expect(formatProjectPath('acme/platform/api')).toBe('acme~platform/api')
  })
})

describe('a project name', () => {
  const deep = 'a/'.repeat(21) + 'a'
  const long = `${'a'.repeat(127)}/${'b'.repeat(127)}`

  test.each(['octo/app', 'acme/platform/api', '1/_/-', '.a/b..', deep, long])(
    '%s is taken as it is',
    (text) => {
      expect(parseProjectName(text)).toBe(text)
    },
  )

  test.each([
    ['', 'OWNER/REPO'],
    ['octo', 'OWNER/REPO'],
    ['octo/', 'OWNER/REPO'],
    ['/octo/app', 'OWNER/REPO'],
    ['acme//api', 'OWNER/REPO'],
    ['acme/../api', 'OWNER/REPO'],
    ['acme/./api', 'OWNER/REPO'],
    ['acme/plat form/api', 'OWNER/REPO'],
    ['~octo/app', 'OWNER/REPO'],
    ['acme~platform/api', 'write acme/platform/api'],
    ['acme/platform~api', 'write acme/platform/api'],
    [`a/${deep}`, 'more than 22 segments'],
    [`${long}b`, 'more than 255 characters'],
  ])('%s is rejected', (text, reason) => {
    expect(() => parseProjectName(text)).toThrow(reason)
  })
})

test.each([
  ['refs/pull/34/merge', 34],
  ['refs/pull/34/head', 34],
  ['refs/heads/refs/pull/34/head', null],
  ['refs/pull/34/headless', null],
  ['refs/pull/034/head', null],
  ['refs/pull/x/head', null],
  ['', null],
  [undefined, null],
])('the ref %j is of pull request %j', (ref, number) => {
  expect(pullRequestOfRef(ref)).toBe(number)
})

test('the number of a run is a positive safe integer in decimal digits', () => {
  for (const number of [1, 22_259_804_324, Number.MAX_SAFE_INTEGER])
    expect(parsePositiveInteger(String(number), 'run')).toBe(number)
  for (const text of ['', '0', '-1', '+1', '1.5', '1e3', '0x1', ' 1', '9007199254740993', '1n'])
    expect(() => parsePositiveInteger(text, 'run')).toThrow(
      `run must be a positive whole number, got ${JSON.stringify(text)}`,
    )
})
