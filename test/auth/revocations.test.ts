/** Revoking one token with its descendants, and revoking all tokens of a project up to an
 *  instant. */
import { expect, test } from 'vitest'
import { createRevocations } from '../../src/auth/revocations.ts'
import { grantOf } from '../../src/auth/token-request.ts'
import { parseProjectName } from '../../src/core/run/run.ts'

const app = parseProjectName('octo/app')
const token = { ...grantOf({ project: app }, 1000), lineage: ['own', 'parent', 'root'] }

test.each([
  ['own', true],
  ['parent', true],
  ['root', true],
  ['other', false],
])('when %s is revoked: %s', (id, expected) => {
  expect(createRevocations({ tokens: [{ id, endsAt: 5000 }], projects: [] }).has(token)).toBe(
    expected,
  )
  const revocations = createRevocations({ tokens: [], projects: [] })
  expect(revocations.has(token)).toBe(false)
  revocations.addToken(id, 5000)
  expect(revocations.has(token)).toBe(expected)
  revocations.dropEnded(5000)
  expect(revocations.has(token)).toBe(expected)
  revocations.dropEnded(5001)
  expect(revocations.has(token)).toBe(false)
})

test.each([
  ['octo/app', 1000, true],
  ['Octo/App', 1000, true],
  ['octo/app', 999, false],
  ['octo/other', 1000, false],
])('when the tokens of %s issued until %i are revoked: %s', (name, issuedUntil, expected) => {
  const project = parseProjectName(name)
  const revocations = createRevocations({ tokens: [], projects: [{ project, issuedUntil }] })
  expect(revocations.has(token)).toBe(expected)
  expect(revocations.has({ ...token, scope: 'admin' })).toBe(false)
  revocations.addProject(project, issuedUntil - 1)
  expect(revocations.has(token)).toBe(expected)
})
