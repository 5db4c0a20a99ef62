/** Grants of people who signed in through an identity provider. */
import { createHash } from 'node:crypto'
import * as z from 'zod'
import { forbidden, unauthenticated } from '../core/errors.ts'
import type { ProjectAccess } from '../core/access/project-access.ts'
import { type Claims, isUnverified, type SignInAccess } from '../core/access/sign-in-rules.ts'
import { dayMs } from '../core/units.ts'
import {
  emptyGrant,
  isJob,
  mayReadProject,
  mayWriteProject,
  type Person,
  type Principal,
  strongestOf,
} from './principal.ts'

/** After that the browser asks the provider again, which knows by then who has left a group. */
const sessionMs = dayMs / 2
const nameCharactersMax = 200

/** Returns the grant of a session for a person with this access. Errors: forbidden (none). */
export function sessionGrant(person: Person, access: SignInAccess, now: number): Principal {
  if (access !== 'admin' && access.length === 0)
    throw forbidden(`${person.name} has no access to this store (TROVE_SSO_ACCESS)`)
  return {
    ...emptyGrant,
    scope: access === 'admin' ? access : strongestOf(access),
    access: access === 'admin' ? [] : access,
    person,
    issuedAt: now,
    expiresAt: now + sessionMs,
  }
}

/** Limits a grant of a person to their access: an administrator's grant to the projects of somebody
 *  who is none any more, that of one project to what they may do there, and any other to their
 *  projects, as far as its own scope goes. Undefined when nothing is left. */
export function limitedTo(access: SignInAccess, grant: Principal): Principal | undefined {
  if (access === 'admin' && grant.scope === 'admin') return grant
  const held = access === 'admin' ? everything : access
  const limited = grant.scope === 'write' || grant.scope === 'admin' ? held : readingOf(held)
  if (limited.length === 0) return undefined
  const { project } = grant
  const whole = { ...grant, scope: strongestOf(limited), access: limited, project: null }
  // The project that an administrator's grant may name does not limit it.
  if (project === null || grant.scope === 'admin') return whole
  const asHolder = { ...whole, scope: strongestOf(held), access: held }
  if (mayWriteProject(asHolder, project)) return grant
  if (isJob(grant) || !mayReadProject(asHolder, project)) return undefined
  return { ...grant, scope: 'read' }
}

const everything: readonly ProjectAccess[] = [{ scope: 'write', projects: '**' }]

/** Each once, so that the globs are compiled once. */
const readings = new WeakMap<readonly ProjectAccess[], readonly ProjectAccess[]>()

function readingOf(access: readonly ProjectAccess[]): readonly ProjectAccess[] {
  const known = readings.get(access)
  if (known !== undefined) return known
  const reading = access.map(({ projects }) => ({ scope: 'read' as const, projects }))
  readings.set(access, reading)
  return reading
}

/** Scopes of a token that a person makes. `write` includes reading. */
export type PersonalScope = 'read' | 'write'

/** For how many days such a token can be valid. It outlives the session, but sleeps when the person
 *  does not sign in (people.ts). */
export const personalDays = [30, 7, 1, 90] as const

/** The scopes that the person of a session can give a token; empty for a session that was opened
 *  with a token, even with one of theirs: it would prolong itself, and outlive its revocation. */
export function personalScopes({ person, scope, lineage }: Principal): PersonalScope[] {
  const isOfToken = lineage.length > 1
  if (person === null || isOfToken) return []
  return scope === 'read' ? ['read'] : ['read', 'write']
}

/** Returns the grant of a token for the commands of a person. It does not descend from the session,
 *  which ends earlier. */
export function personalGrant(
  session: Principal,
  { scope, days }: { scope: PersonalScope; days: number },
  now: number,
): Principal {
  const expiresAt = now + days * dayMs
  return { ...session, scope, access: [], issuedAt: now, expiresAt, lineage: [] }
}

/** Names the person with these verified claims. Errors: unauthenticated (they name nobody). */
export function personOf(claims: Claims): Person {
  const { iss, sub } = claims
  // A name or an address can be given to another, a subject cannot (OpenID Connect Core 1.0 §2).
  const id = createHash('sha256')
    .update(JSON.stringify([iss, sub]))
    .digest('hex')
  return { id: id.slice(0, 32), name: nameOf(claims) }
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
    throw unauthenticated(reason)
  }
  const { email, preferred_username: username, name, sub } = names.data
  const person = (isUnverified(claims) ? undefined : email) ?? username ?? name ?? sub
  return person.slice(0, nameCharactersMax)
}
