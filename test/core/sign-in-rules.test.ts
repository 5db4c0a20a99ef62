/** Rules of single sign-on: whom they match, and what is no rule. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  accessOf,
  describeClaims,
  matchingRules,
  parseSignInRules,
} from '../../src/core/access/sign-in-rules.ts'

const matches = (who: string, claims: object): boolean =>
  matchingRules({ ...claims }, parseSignInRules(`${who}=admin`)).length > 0

test.each([
  ['groups:dev', { groups: ['ops', 'dev'] }, true],
  ['groups:dev', { groups: 'dev' }, true],
  ['groups:dev', { groups: ['devops'] }, false],
  ['groups:dev', {}, false],
  ['groups:*', { groups: [] }, false],
  ['groups:acme/*/dev', { groups: ['acme/app/dev'] }, true],
  // The two ends may not overlap.
  ['groups:ab*ba', { groups: ['aba'] }, false],
  ['groups:a*b*b', { groups: ['ab'] }, false],
  ['groups:a%20b', { groups: ['a b'] }, true],
  ['groups:a%2Ab', { groups: ['a*b'] }, true],
  ['groups:a%2Ab', { groups: ['axb'] }, false],
  ['groups:%2A', { groups: ['anything'] }, false],
  ['groups:a.b', { groups: ['axb'] }, false],
  ['email:*@example.com', { email: 'jane@example.com\n' }, false],
  ['email:*@example.com', { email: 'jane@example.com', email_verified: false }, false],
  ['https%3A//acme.example/roles:dev', { 'https://acme.example/roles': ['dev'] }, true],
  ['cognito%3Agroups:a:b', { 'cognito:groups': ['a:b'] }, true],
  // Zitadel: roles with the organizations that gave them.
  ['urn%3Aroles:dev', { 'urn:roles': { dev: { '17': 'acme.example' } } }, true],
  ['urn%3Aroles:acme.example', { 'urn:roles': { dev: { '17': 'acme.example' } } }, false],
  ['groups:dev', { groups: { devops: {} } }, false],
  ['groups:*', { groups: {} }, false],
  ['groups:*', { groups: null }, false],
  ['groups:*', { groups: 7 }, false],
  // Not taken apart: in a name that people choose, a separator would be their choice, too.
  ['groups:dev', { groups: 'ops; dev' }, false],
  ['groups:dev', { groups: [['dev']] }, false],
  ['*', {}, true],
])('%s and %o: %s', (who, claims, expected) => {
  expect(matches(who, claims)).toBe(expected)
})

test('a value with any number of * matches what a regular expression does', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '/'), maxLength: 12 })
  fc.assert(
    fc.property(fc.array(text, { minLength: 2, maxLength: 4 }), text, (parts, value) => {
      const pattern = new RegExp(`^${parts.join('.*')}$`, 's')
      expect(matches(`groups:${parts.join('*')}`, { groups: [value] })).toBe(pattern.test(value))
    }),
  )
})

test('a long claim and many * take no time', () => {
  const started = performance.now()
  expect(matches(`name:${'*a'.repeat(30)}*b`, { name: 'a'.repeat(100_000) })).toBe(false)
  expect(performance.now() - started).toBeLessThan(500)
})

test('access is that of all rules with a left-hand side that matched, each once', () => {
  const rules = parseSignInRules(
    'groups:dev=write:octo/* groups:dev=read:acme/a,acme/b *=read:acme/a',
  )
  expect(matchingRules({ groups: ['dev'] }, rules)).toEqual(['groups:dev', '*'])
  expect(accessOf(['groups:dev', '*'], rules)).toEqual([
    { scope: 'write', projects: 'octo/*' },
    { scope: 'read', projects: 'acme/a' },
    { scope: 'read', projects: 'acme/b' },
  ])
  expect(accessOf(['groups:gone'], rules)).toEqual([])
  expect(accessOf(['*'], parseSignInRules('*=admin'))).toBe('admin')
})

test.each([
  'dev',
  'groups:dev',
  'groups=admin',
  'groups:dev=root',
  'groups:%=admin',
  '*=read:',
  '*=read:octo',
])('%s is no rule', (text) => {
  expect(() => parseSignInRules(text)).toThrow(/must (be|name)/)
})

test('the description of claims has those that rules compare, each once and cut to a bounded length', () => {
  const rules = parseSignInRules('*=read:** g:a=admin g:b=admin a%3Ab:c=admin email:*=admin')
  const claims = {
    g: Array.from({ length: 30 }, () => 'x'.repeat(1000)),
    'a:b': [{ nested: 'c' }],
    email: 'j@example.com',
    email_verified: false,
    other: 'text',
  }
  const described = describeClaims(claims, rules)
  expect(described).toMatch(
    /^g: ("x{200}", ){19}"x{200}" and 10 more; a:b: no text; email: "j@example\.com" \(unverified\)$/,
  )
})
