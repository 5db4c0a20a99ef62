/** Grants of people who signed in through an identity provider. */
import { z } from 'zod'
import { storeError } from '../core/errors.ts'
import type { ProjectAccess } from '../core/project-access.ts'
import { noFacts } from '../core/run.ts'
import { accessOf, type Claims, isUnverified, type SignInRule } from '../core/sign-in-rules.ts'
import { dayMs } from '../core/units.ts'
import { type Principal, strongestOf } from './principal.ts'

/** After that the browser asks the provider again, which knows by then who has left a group. */
const sessionMs = dayMs / 2
const nameCharactersMax = 200

/** Returns the grant of a session for the person with these verified claims. Errors: forbidden (no
 *  rule gives the person any access); unauthenticated (the claims name nobody). */
export function grantOfClaims(
  claims: Claims,
  rules: readonly SignInRule[],
  now: number,
): Principal {
  const person = nameOf(claims)
  const access = accessOf(claims, rules)
  if (access !== 'admin' && access.length === 0) {
    const reason = `${person} has no access to this store (TROVE_SSO_ACCESS)`
    throw storeError('forbidden', reason, { reason })
  }
  const scope =
    access === 'admin' ? { scope: access, access: [] } : { scope: strongestOf(access), access }
  return {
    ...scope,
    project: null,
    run: null,
    job: null,
    person,
    facts: noFacts,
    issuedAt: now,
    expiresAt: now + sessionMs,
    lineage: [],
  }
}

/** Scopes of a token that a person makes. `write` includes reading. */
export type PersonalScope = 'read' | 'write'

/** For how many days such a token can be valid. It outlives the session, and the provider is not
 *  asked again. */
export const personalDays = [30, 7, 1, 90] as const

/** The scopes that the person of a session can give a token; empty for a session that was opened
 *  with a token, even with one of theirs: it would prolong itself, and outlive its revocation. */
export function personalScopes({ person, scope, lineage }: Principal): PersonalScope[] {
  const isOfToken = lineage.length > 1
  if (person === null || isOfToken) return []
  return scope === 'read' ? ['read'] : ['read', 'write']
}

/** Returns the grant of a token for the commands of a person, within their session's access. It
 *  does not descend from the session, which ends earlier. */
export function personalGrant(
  session: Principal,
  { scope, days }: { scope: PersonalScope; days: number },
  now: number,
): Principal {
  const held: readonly ProjectAccess[] =
    session.scope === 'admin' ? [{ scope: 'write', projects: '**' }] : session.access
  const access = scope === 'write' ? held : held.map((each) => ({ ...each, scope }))
  return { ...session, scope, access, issuedAt: now, expiresAt: now + days * dayMs, lineage: [] }
}

/** OpenID Connect Core 1.0 §5.1. Only `sub` is required, which is often a number. */
function nameOf(claims: Claims): string {
  const names = z
    .object({
      email: z.string().min(1).optional(),
      preferred_username: z.string().min(1).optional(),
      name: z.string().min(1).optional(),
      sub: z.string().min(1),
    })
    .safeParse(claims)
  if (!names.success) {
    const reason = 'the identity provider does not say who signed in'
    throw storeError('unauthenticated', reason, { reason })
  }
  const { email, preferred_username: username, name, sub } = names.data
  const person = (isUnverified(claims) ? undefined : email) ?? username ?? name ?? sub
  return person.slice(0, nameCharactersMax)
}
