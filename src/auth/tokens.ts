/** Tokens: HS256 JWTs that carry a principal. One that has a run and a job is also a valid
 *  ACTIONS_RUNTIME_TOKEN: the stock client reads its ids from the `scp` claim (GITHUB-PROTOCOL
 *  §4) without verifying it. This server trusts only the claims verified here. */
import { createHash, randomBytes } from 'node:crypto'
import { decode, sign, verify } from 'hono/jwt'
import * as z from 'zod'
import { invalidRequest, tooLarge, unauthenticated } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import { factsOf, knownFacts, parseProjectName } from '../core/run/run.ts'
import { emptyGrant, scopes, strongestOf, type Principal } from './principal.ts'

/** A token's use; a token is accepted for its own use only. `api`: the Authorization header.
 *  `sign-in`: the link that the server prints, which is only good for opening a session.
 *  `session`: a browser's cookie. */
export type TokenUse = 'api' | 'sign-in' | 'session'

/** An administrator's grant, which needs no project. */
export function adminGrant(now: number, lifeMs: number): Principal {
  return { ...emptyGrant, scope: 'admin', issuedAt: now, expiresAt: now + lifeMs }
}

/** Returns what is wrong with a grant, or undefined. */
function grantFault(grant: Principal, use: TokenUse): string | undefined {
  const { scope, project, access, person } = grant
  if (access.length > 0) {
    if (project !== null) return 'a token is for one project, or for those it lists'
    if (scope !== strongestOf(access)) return 'a token for several projects has scope read or write'
  } else if (project === null && scope !== 'admin' && person === null)
    return 'a token needs a project'
  if (
    (grant.scope === 'job' || grant.scope === 'run') &&
    (grant.run === null || grant.job === null)
  ) {
    return `a token of scope ${grant.scope} needs a run and a job`
  }
  if (grant.job === '') return 'a job id must not be empty'
  // Any token can be used to sign in, so a session may be one generation further down.
  if (grant.lineage.length > limits.tokenGenerationsMax + (use === 'session' ? 1 : 0))
    return `a token can be at most ${limits.tokenGenerationsMax} generations below one minted by the server itself`
  return undefined
}

/** The access of a person is left out (people.ts). Errors: invalid_request, too_large (no header
 *  could carry it, so it could not be revoked either). */
export async function mintToken(
  key: Uint8Array,
  grant: Principal,
  use: TokenUse = 'api',
): Promise<string> {
  const fault = grantFault(grant, use)
  if (fault !== undefined) throw invalidRequest('scope', fault)
  const { facts, run, job, person } = grant
  const claims = {
    iss: 'trove',
    // Makes two equal grants two tokens, which are revoked separately.
    jti: randomBytes(9).toString('base64url'),
    use,
    scope: grant.scope,
    // Milliseconds, as RFC 7519 §2 allows: a token minted right after all others were revoked must
    // be valid.
    iat: grant.issuedAt / 1000,
    exp: Math.floor(grant.expiresAt / 1000),
    ...(grant.lineage.length > 0 && { by: grant.lineage }),
    ...(grant.project !== null && { project: grant.project }),
    ...(person === null && grant.access.length > 0 && { access: grant.access }),
    ...(run !== null && { run: run.number, attempt: run.attempt }),
    ...(job !== null && { job }),
    ...(person !== null && { sub: person.id, person: person.name }),
    ...knownFacts(facts),
    ...(run !== null &&
      job !== null && { scp: `Actions.Results:${run.number}:${backendJobId(job)}` }),
  }
  const token = await sign(claims, webKey(key), 'HS256')
  const { tokenCharactersMax: max } = limits
  if (token.length <= max) return token
  throw tooLarge(
    'characters of a token',
    max,
    `the claims of a token must fit into ${max} characters`,
  )
}

/** The job id as it appears in the `scp` claim and as the stock client returns it. Encoded,
 *  since the client splits the claim at blanks and colons. */
export function backendJobId(job: string): string {
  return encodeURIComponent(job)
}

const claimsSchema = z.object({
  iss: z.literal('trove'),
  use: z.enum(['api', 'sign-in', 'session']),
  scope: z.enum(scopes),
  iat: z.number().default(0),
  exp: z.number(),
  by: z.array(z.string()).default([]),
  project: z.string().optional(),
  access: z.array(z.object({ scope: z.enum(['read', 'write']), projects: z.string() })).default([]),
  run: z.number().int().positive().optional(),
  attempt: z.number().int().positive().optional(),
  job: z.string().optional(),
  sub: z.string().optional(),
  person: z.string().optional(),
  branch: z.string().optional(),
  sha: z.string().optional(),
  workflow: z.string().optional(),
  event: z.string().optional(),
  ordinal: z.number().int().positive().optional(),
  pullRequest: z.number().int().positive().optional(),
  headSha: z.string().optional(),
  actor: z.string().optional(),
})

/** Errors: unauthenticated (malformed, wrong signature, another use, expired). */
export async function verifyToken(
  key: Uint8Array,
  token: string,
  options: { now: number; use: TokenUse },
): Promise<Principal> {
  const { use, principal } = await readToken(key, token)
  if (use !== options.use) throw unauthenticated(`a ${use} token is not accepted here`)
  if (principal.expiresAt <= options.now) {
    throw unauthenticated(`the token expired at ${new Date(principal.expiresAt).toISOString()}`)
  }
  return principal
}

/** Reads a token of any use, even an expired one. Errors: unauthenticated (malformed, wrong
 *  signature). */
export async function readToken(
  key: Uint8Array,
  token: string,
): Promise<{ use: TokenUse; principal: Principal }> {
  const claims = claimsSchema.safeParse(await verifiedClaims(key, token))
  const { data } = claims
  if (data === undefined || (data.person === undefined) !== (data.sub === undefined))
    throw unauthenticated('the token lacks claims that this server requires')
  const principal: Principal = {
    scope: data.scope,
    project: data.project === undefined ? null : parseProjectName(data.project),
    access: data.access,
    run: data.run === undefined ? null : { number: data.run, attempt: data.attempt ?? 1 },
    job: data.job ?? null,
    person: data.sub === undefined ? null : { id: data.sub, name: data.person! },
    facts: factsOf(data),
    issuedAt: Math.round(data.iat * 1000),
    expiresAt: data.exp * 1000,
    lineage: [tokenId(token), ...data.by],
  }
  const fault = grantFault({ ...principal, lineage: data.by }, data.use)
  if (fault !== undefined) throw unauthenticated(fault)
  return { use: data.use, principal }
}

/** Identifies a token without disclosing it: the first 128 bits of the SHA-256 of its text. */
function tokenId(token: string): string {
  return createHash('sha256').update(token).digest('hex').slice(0, 32)
}

/** Digests of tokens whose signatures were right, the last used at the end. A job sends the same
 *  token with each request, and verifying it takes a seventh of the main thread's time for it. */
const proven = new Set<string>()
const provenMax = 1024

async function verifiedClaims(key: Uint8Array, token: string): Promise<unknown> {
  const digest = createHash('sha256').update(key).update(token).digest('base64')
  // Decoded anew, so that no two requests share an object.
  const claims: unknown = proven.delete(digest)
    ? decode(token).payload
    : await verifySignature(key, token)
  proven.add(digest)
  if (proven.size > provenMax) proven.delete(proven.values().next().value!)
  return claims
}

async function verifySignature(key: Uint8Array, token: string): Promise<unknown> {
  const signature = token.slice(token.lastIndexOf('.') + 1)
  // Decoders ignore the spare bits of the last character; here a token has exactly one spelling.
  if (Buffer.from(signature, 'base64url').toString('base64url') !== signature) {
    throw unauthenticated('the token was not issued by this server')
  }
  try {
    // The caller checks the expiry, against its own clock.
    return await verify(token, webKey(key), { alg: 'HS256', exp: false, nbf: false, iat: false })
  } catch {
    // The library's messages repeat the token, so the cause is dropped.
    throw unauthenticated('the token was not issued by this server')
  }
}

/** hono's `SignatureKey` is a string, a JWK or a CryptoKey; hex keeps all 256 bits of the key. */
function webKey(key: Uint8Array): string {
  return Buffer.from(key).toString('hex')
}
