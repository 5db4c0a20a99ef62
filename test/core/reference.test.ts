import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { artifactNameFault, parseArtifactName } from '../../src/core/artifact.ts'
import {
  type Reference,
  formatReference,
  isMeantAsReference,
  parseEntryReference,
  parseReference,
  parseReferenceOrName,
} from '../../src/core/reference.ts'
import { parseProjectName } from '../../src/core/run/run.ts'

const part = fc.stringMatching(/^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,20}$/)
const project = fc
  .array(part, { minLength: 2, maxLength: 5 })
  .map((segments) => parseProjectName(segments.join('/')))
const name = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 30 })
  .filter((text) => artifactNameFault(text) === undefined)
  .map(parseArtifactName)
const number = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })
const branch = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'))
const reference: fc.Arbitrary<Reference> = fc.oneof(
  fc.record({ kind: fc.constant('run' as const), project: fc.option(project), run: number, name }),
  fc.record({ kind: fc.constant('latest' as const), branch, name }),
  fc.record({ kind: fc.constant('id' as const), id: number }),
)
const path = fc.string({ unit: 'grapheme', maxLength: 30 }).map((text) => text.replace(/\/+$/, ''))

describe('references', () => {
  test('every reference survives a round trip', () => {
    fc.assert(
      fc.property(reference, (wanted) => {
        expect(parseReference(formatReference(wanted))).toEqual(wanted)
      }),
    )
  })

  test('every reference with a path survives a round trip, whatever the path contains', () => {
    fc.assert(
      fc.property(reference, path, (wanted, inside) => {
        const text = formatReference(wanted) + (inside === '' ? '' : `:${inside}`)
        expect(parseEntryReference(text)).toEqual({ reference: wanted, path: inside })
      }),
    )
  })

  test('what is meant as a reference is told from a path, even when it is mistyped', () => {
    fc.assert(
      fc.property(reference, path, (wanted, inside) => {
        expect(isMeantAsReference(formatReference(wanted))).toBe(true)
        expect(isMeantAsReference(`${formatReference(wanted)}:${inside}`)).toBe(true)
        expect(isMeantAsReference(`./${formatReference(wanted)}`)).toBe(false)
      }),
    )
    for (const text of ['@7', 'octo/app@7', 'latest:main', 'id:x', '7/a?b'])
      expect(isMeantAsReference(text)).toBe(true)
    for (const text of ['dist', '7', '7/a/b', '.', '/tmp/@7', 'a@b/c'])
      expect(isMeantAsReference(text)).toBe(false)
  })

  test('any text is either parsed or rejected with a matching code', () => {
    const nearly = fc.stringMatching(/^(id:|latest:)?[a@:/0-9.]{0,12}$/)
    fc.assert(
      fc.property(fc.oneof(fc.string(), nearly), (text) => {
        try {
          expect(parseReference(text)).toHaveProperty('kind')
        } catch (error) {
          expect(error).toMatchObject({ code: expect.stringMatching(/^invalid_(request|name)$/) })
        }
      }),
    )
  })

  test.each([
    ['42/build', { kind: 'run', project: null, run: 42, name: 'build' }],
    ['octo/app@42/build', { kind: 'run', project: 'octo/app', run: 42, name: 'build' }],
    ['a/b/c@42/build', { kind: 'run', project: 'a/b/c', run: 42, name: 'build' }],
    ['1/a@2', { kind: 'run', project: null, run: 1, name: 'a@2' }],
    ['1/a@2/b', { kind: 'run', project: '1/a', run: 2, name: 'b' }],
    ['latest:main/build', { kind: 'latest', branch: 'main', name: 'build' }],
    ['latest:feature/x@2/build', { kind: 'latest', branch: 'feature/x@2', name: 'build' }],
    ['id:7', { kind: 'id', id: 7 }],
  ])('%s means what the grammar says', (text, wanted) => {
    expect(parseReference(text)).toEqual(wanted)
  })

  test.each([
    '',
    'build',
    '0/build',
    '-1/build',
    '1/',
    'x/build',
    'latest:main',
    'latest:/build',
    'latest:main/',
    'a~b/c@42/build',
    'id:',
    'id:x',
  ])('%j is rejected', (text) => {
    expect(() => parseReference(text)).toThrow(expect.objectContaining({ name: 'StoreError' }))
  })

  test('a name alone is an artifact of the run of the context, where that is allowed', () => {
    fc.assert(
      fc.property(name, path, (wanted, inside) => {
        fc.pre(!/[@]|^\d+$/.test(wanted) && !['id', 'latest'].includes(wanted))
        const reference = { kind: 'name', name: wanted }
        expect(parseReferenceOrName(wanted)).toEqual(reference)
        fc.pre(!inside.startsWith('//'))
        expect(parseEntryReference(`${wanted}:${inside}`)).toEqual({ reference, path: inside })
        expect(() => parseReference(wanted)).toThrow('is not a reference')
        expect(isMeantAsReference(wanted)).toBe(false)
      }),
    )
    for (const text of ['42', 'dist/', './dist', 'a@b', 'https://store.example.com/1/build', ''])
      expect(() => parseReferenceOrName(text)).toThrow('is not a reference')
    expect(parseReferenceOrName('id')).toEqual({ kind: 'name', name: 'id' })
  })

  test('a path is rejected where only an artifact is expected', () => {
    expect(() => parseReference('42/build:dist/app.js')).toThrow(/path is not allowed/)
  })

  test('the first colon after the name begins the path', () => {
    expect(parseEntryReference('42/build:a:b/c')).toMatchObject({ path: 'a:b/c' })
    expect(parseEntryReference('latest:f/x/build:d/')).toMatchObject({
      reference: { branch: 'f/x' },
      path: 'd',
    })
    expect(parseEntryReference('id:9:d')).toEqual({ reference: { kind: 'id', id: 9 }, path: 'd' })
    expect(parseEntryReference('id:9')).toEqual({ reference: { kind: 'id', id: 9 }, path: '' })
  })
})
