/** The grant that a request for a token asks for. */
import { expect, test } from 'vitest'
import { grantOf, tokenLifeSeconds, type TokenRequest } from '../../src/auth/token-request.ts'

const now = 1000
const project = 'octo/app'

test.each<[TokenRequest, object]>([
  [{ project }, { scope: 'read', project, access: [], run: null, job: null }],
  [
    { project, run: 7, job: 'a' },
    { scope: 'job', run: { number: 7, attempt: 1 }, job: 'a' },
  ],
  [
    { project, run: 7 },
    { scope: 'read', run: { number: 7, attempt: 1 }, job: null },
  ],
  [
    { project, job: 'a' },
    { scope: 'read', run: null, job: 'a' },
  ],
  [
    { project, run: 7, attempt: 2, job: 'a', scope: 'run' },
    { scope: 'run', run: { number: 7, attempt: 2 } },
  ],
  [{ scope: 'admin' }, { scope: 'admin', project: null, access: [] }],
  [{ expiresInSeconds: 60 }, { issuedAt: now, expiresAt: now + 60_000 }],
  [{}, { issuedAt: now, expiresAt: now + tokenLifeSeconds * 1000 }],
  [
    { projects: 'octo/* acme/x' },
    {
      scope: 'read',
      project: null,
      access: [
        { scope: 'read', projects: 'octo/*' },
        { scope: 'read', projects: 'acme/x' },
      ],
    },
  ],
  [
    { projects: 'octo/*', scope: 'write' },
    { scope: 'write', access: [{ scope: 'write', projects: 'octo/*' }] },
  ],
])('%j', (request, grant) => {
  expect(grantOf(request, now)).toMatchObject(grant)
})

test.each<TokenRequest>([
  { projects: ' ' },
  { projects: 'octo/*', project },
  { projects: 'octo/*', run: 7 },
  { projects: 'octo/*', scope: 'admin' },
  { projects: 'octo/*', scope: 'job' },
])('%j is rejected', (request) => {
  const refused = expect.objectContaining({ code: 'invalid_request' }) as Error
  expect(() => grantOf(request, now)).toThrow(refused)
})
