/** Tokens: a minted token verifies, nothing else does, and the stock client's own parser accepts
 *  it. */
import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { sign } from 'hono/jwt'
import { expect, test } from 'vitest'
import { deriveKeys } from '../../src/auth/key.ts'
import { type Principal, scopes } from '../../src/auth/principal.ts'
import { grantOf } from '../../src/auth/token-request.ts'
import { adminGrant, mintToken, verifyToken } from '../../src/auth/tokens.ts'
import { limits } from '../../src/core/limits.ts'
import { noFacts, parseProjectName } from '../../src/core/run/run.ts'

const { tokens: key } = deriveKeys(Buffer.alloc(32, 1))
const now = Date.UTC(2026, 0, 1)
const grant: Principal = {
  scope: 'job',
  project: parseProjectName('octo/app'),
  run: { number: 42, attempt: 2 },
  job: 'build',
  facts: {
    branch: 'main',
    sha: 'a'.repeat(40),
    workflow: 'CI',
    event: 'pull_request',
    ordinal: 12,
    pullRequest: 34,
    headSha: 'b'.repeat(40),
    actor: 'octocat',
  },
  issuedAt: now,
  expiresAt: now + 60_000,
  access: [],
  person: null,
  lineage: [],
}

function claimsOf(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Record<
    string,
    unknown
  >
}

const anId: unknown = expect.stringMatching(/^[0-9a-f]{32}$/)

async function check(token: string, at = now): Promise<Principal> {
  return await verifyToken(key, token, { now: at, use: 'api' })
}

test('an empty fact of a request is not claimed, so that an upload can still supply it', () => {
  const facts = { branch: '', sha: '', workflow: '', event: '' }
  expect(grantOf({ project: 'octo/app', ...facts, actor: '' }, now).facts).toEqual(noFacts)
})

test('verifying a token returns what was granted', async () => {
  expect(await check(await mintToken(key, grant))).toEqual({ ...grant, lineage: [anId] })
})

test('a token lists its own id and those of its ancestors, at most eight generations', async () => {
  let { lineage } = grant
  for (let generation = 0; generation < limits.tokenGenerationsMax + 1; generation++) {
    const minted = await check(await mintToken(key, { ...grant, lineage }))
    expect(minted.lineage.slice(1)).toEqual(lineage)
    ;({ lineage } = minted)
  }
  expect(new Set(lineage).size).toBe(limits.tokenGenerationsMax + 1)
  await expect(mintToken(key, { ...grant, lineage })).rejects.toThrow('at most 8 generations')
  // A token of the last generation can still be used to sign in.
  const session = await mintToken(key, { ...grant, lineage }, 'session')
  expect(await verifyToken(key, session, { now, use: 'session' })).toMatchObject({ scope: 'job' })
})

test('a token without an issue time counts as issued at 0', async () => {
  const token = await signed({})
  expect(await check(token)).toMatchObject({ issuedAt: 0, lineage: [anId] })
})

/** The facts that decide what a token is worth, as the server mints them. */
const holders: fc.Arbitrary<Partial<Principal>> = fc.oneof(
  fc.record({ scope: fc.constantFrom(...scopes) }),
  fc.constant({ ...adminGrant(now, 60_000), facts: grant.facts }),
  fc.constantFrom('read', 'write').map((scope) => ({
    scope,
    project: null,
    run: null,
    job: null,
    access: [
      { scope, projects: 'octo/*' } as const,
      { scope: 'read', projects: 'acme/**' } as const,
    ],
  })),
  fc.record({
    scope: fc.constantFrom('read', 'write', 'admin'),
    project: fc.constantFrom(null, grant.project),
    person: fc.record({
      id: fc.stringMatching(/^[0-9a-f]{32}$/),
      name: fc.string({ minLength: 1 }),
    }),
  }),
  // The access of a person is not in the token.
  fc.constant({
    scope: 'write',
    project: null,
    person: { id: 'p1', name: 'jane' },
    access: [{ scope: 'write', projects: '**' }],
  }),
) as fc.Arbitrary<Partial<Principal>>

test('any grant survives the round trip, whatever the time is', async () => {
  const text = fc.string({ minLength: 1, unit: 'grapheme' })
  await fc.assert(
    fc.asyncProperty(
      holders,
      text,
      fc.option(text),
      fc.integer({ min: 1, max: 2 ** 53 - 1 }),
      fc.integer({ min: 0, max: Date.UTC(2200) }),
      async (holder, job, branch, run, issuedAt) => {
        const given = {
          ...grant,
          job,
          run: { number: run, attempt: 1 },
          facts: { ...grant.facts, branch },
          ...holder,
          issuedAt,
          expiresAt: Math.floor(issuedAt / 1000) * 1000 + 60_000,
        }
        const token = await mintToken(key, given)
        const access = given.person === null ? given.access : []
        expect(await check(token, issuedAt)).toEqual({ ...given, access, lineage: [anId] })
      },
    ),
    { numRuns: 100 },
  )
})

test('the scp claim is one word with exactly two colons, whatever the job is called', async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ minLength: 1, unit: 'grapheme' }), async (job) => {
      const { scp } = claimsOf(await mintToken(key, { ...grant, job }))
      const [, encoded] = /^Actions\.Results:42:([^:\s]+)$/.exec(String(scp)) ?? []
      expect(decodeURIComponent(encoded!)).toBe(job)
    }),
    { numRuns: 50 },
  )
})

test('a token without a run or job has no scp claim', async () => {
  for (const lacking of [{ run: null, job: null }, { run: null }, { job: null }])
    expect(
      claimsOf(await mintToken(key, { ...grant, scope: 'write', ...lacking })),
    ).not.toHaveProperty('scp')
})

// Minted tokens are recorded so that they can be listed; a job's name must not be as long as a
// body.
test('a token too long for a header is not minted', async () => {
  const named = async (length: number): Promise<string> =>
    await mintToken(key, { ...grant, job: 'j'.repeat(length) })
  expect((await named(5_000)).length).toBeLessThan(limits.tokenCharactersMax)
  await expect(named(limits.tokenCharactersMax)).rejects.toMatchObject({ code: 'too_large' })
})

test('no two checks of a token share what they return', async () => {
  const token = await mintToken(key, { ...grant, access: [] })
  const [first, second] = [await check(token), await check(token)]
  expect(second).toEqual(first)
  expect(second).not.toBe(first)
  for (const each of ['facts', 'lineage', 'run', 'access'] as const)
    expect(second[each]).not.toBe(first[each])
})

test('a token is rejected from the second of its expiry on', async () => {
  const token = await mintToken(key, grant)
  await expect(check(token, grant.expiresAt - 1)).resolves.toBeDefined()
  await expect(check(token, grant.expiresAt)).rejects.toMatchObject({ code: 'unauthenticated' })
})

test('a token with another key, another use or any changed byte is rejected', async () => {
  const token = await mintToken(key, grant)
  const { tokens: otherKey } = deriveKeys(Buffer.alloc(32, 2))
  const theirs = await mintToken(otherKey, grant)
  // That a signature was right once must not help what follows.
  for (const [of, own] of [
    [otherKey, theirs],
    [key, token],
  ] as const)
    await verifyToken(of, own, { now: grant.issuedAt, use: 'api' })
  // Nor must trying again.
  for (let attempt = 0; attempt < 2; attempt++)
    await expect(check(theirs)).rejects.toMatchObject({ code: 'unauthenticated' })
  await expect(check(await mintToken(key, grant, 'session'))).rejects.toMatchObject({
    code: 'unauthenticated',
  })
  for (let at = 0; at < token.length; at += 1) {
    if (token[at] === '.') continue
    const changed = `${token.slice(0, at)}${token[at] === 'A' ? 'B' : 'A'}${token.slice(at + 1)}`
    await expect(check(changed)).rejects.toMatchObject({ code: 'unauthenticated' })
  }
})

// A token's id is a digest of its text, so a second spelling would outlive its revocation.
test('a token has one spelling', async () => {
  const token = await mintToken(key, grant)
  const [head = '', claims = '', signature = ''] = token.split('.')
  const same = Array.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_')
    .map((last) => signature.slice(0, -1) + last)
    .filter((text) => Buffer.from(text, 'base64url').equals(Buffer.from(signature, 'base64url')))
  expect(same).toHaveLength(4)
  const standard = signature.replaceAll('-', '+').replaceAll('_', '/')
  for (const other of [...same, standard, `${signature}=`, ` ${signature}`, `${signature} `]) {
    if (other === signature) continue
    await expect(check(`${head}.${claims}.${other}`)).rejects.toMatchObject({
      code: 'unauthenticated',
    })
  }
})

test('a failed check never repeats the token in its message', async () => {
  const token = await mintToken(key, grant)
  await expect(check(`${token.slice(0, -2)}zz`)).rejects.toSatisfy(
    (error: Error) => !error.message.includes(token.slice(0, 20)) && error.cause === undefined,
  )
})

test('unsigned tokens and tokens signed with an empty key are rejected', async () => {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const claims = part({ iss: 'trove', use: 'api', scope: 'admin', exp: 4_000_000_000 })
  const unsigned = `${part({ alg: 'none', typ: 'JWT' })}.${claims}.`
  const head = part({ alg: 'HS256', typ: 'JWT' })
  const mac = createHmac('sha256', '').update(`${head}.${claims}`).digest('base64url')
  for (const token of [unsigned, `${head}.${claims}.${mac}`, '', 'a.b', 'x'.repeat(10_000)]) {
    await expect(check(token)).rejects.toMatchObject({ code: 'unauthenticated' })
  }
})

test('a job token without a run and a job is not minted', async () => {
  await expect(mintToken(key, { ...grant, run: null })).rejects.toMatchObject({
    code: 'invalid_request',
  })
  await expect(mintToken(key, { ...grant, job: '' })).rejects.toMatchObject({
    code: 'invalid_request',
  })
  await expect(mintToken(key, { ...adminGrant(now, 60_000), scope: 'read' })).rejects.toMatchObject(
    {
      code: 'invalid_request',
    },
  )
})

const signed = async (claims: object): Promise<string> => {
  const usual = { iss: 'trove', use: 'api', scope: 'read', project: 'octo/app' }
  const all = { ...usual, exp: now / 1000 + 60, ...claims }
  return await sign(all, Buffer.from(key).toString('hex'), 'HS256')
}
const access = [{ scope: 'read', projects: 'octo/*' }]
const several = { project: undefined, access }

test.each([
  ['of another issuer', { iss: 'other' }],
  ['without a use', { use: undefined }],
  ['of an unknown scope', { scope: 'root' }],
  ['without an expiry', { exp: undefined }],
  ['without a project', { project: undefined }],
  ['for one project and for several', { access }],
  ['for several projects with the scope of a job', { ...several, scope: 'job' }],
  ['that writes where it only lists reading', { ...several, scope: 'write' }],
  ['that administers listed projects', { ...several, scope: 'admin' }],
  ['of a job without a run', { scope: 'job', job: 'build' }],
  ['of a run without a job', { scope: 'run', run: 1 }],
  ['of a job without a name', { scope: 'job', run: 1, job: '' }],
  ['of a person without a name', { sub: 'p1' }],
  ['of a person without an id', { person: 'jane' }],
  ['of too many generations', { by: Array.from({ length: 9 }, String) }],
])('a signed token %s is rejected', async (_, claims) => {
  expect(await check(await signed({}))).toMatchObject({ scope: 'read' })
  await expect(check(await signed(claims))).rejects.toMatchObject({ code: 'unauthenticated' })
})
