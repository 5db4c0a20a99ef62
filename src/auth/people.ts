/** What people signed in with last, which limits all of their sessions and tokens: a token of
 *  somebody who left a group has lost its projects at their next sign-in, and that of somebody who
 *  cannot sign in any more sleeps soon. In memory, since every request of a person needs it. */
import { asleep, storeError, unauthenticated } from '../core/errors.ts'
import { isWithin } from '../core/access/project-globs.ts'
import {
  accessOf,
  type SignIn,
  type SignInAccess,
  type SignInRule,
} from '../core/access/sign-in-rules.ts'
import { formatExactDuration } from '../core/units.ts'
import { limitedTo } from './person-grant.ts'
import { mayAdminister, type Principal } from './principal.ts'

export interface People {
  has(id: string): boolean
  /** What the person signed in with last; nothing for strangers. */
  accessOf(id: string): SignInAccess
  /** Replaces what is known of the person. */
  note(signIn: SignIn): void
  /** Returns the principal, limited to what its person may do now; unchanged if it has none.
   *  Errors: unauthenticated (the person has no access, or must sign in again). */
  limit(principal: Principal, now: number): Principal
  /** Whether the person of a principal that `limit` returned may still do all of that. Like the
   *  expiry of a token, sleep does not end what has begun. */
  stillMay(principal: Principal): boolean
}

export interface PeopleOptions {
  rules: readonly SignInRule[]
  /** How long tokens work after a sign-in. */
  awakeMs: number
  /** Where people sign in; null without single sign-on. */
  signInUrl: string | null
}

export function createPeople(
  known: readonly SignIn[],
  { rules, awakeMs, signInUrl }: PeopleOptions,
): People {
  const people = new Map<string, { access: SignInAccess; signedInAt: number }>()
  const note = ({ id, rules: matched, signedInAt }: SignIn): void => {
    people.set(id, { access: accessOf(matched, rules), signedInAt })
  }
  for (const each of known) note(each)
  return {
    has: (id) => people.has(id),
    accessOf: (id) => people.get(id)?.access ?? [],
    note,
    limit: (principal, now) => {
      const { person, project } = principal
      if (person === null) return principal
      if (signInUrl === null)
        throw unauthenticated(
          `${person.name} cannot use tokens: single sign-on is off (TROVE_SSO_ISSUER)`,
        )
      const last = people.get(person.id)
      if (last === undefined || last.signedInAt + awakeMs <= now) {
        const sleep = `tokens of people sleep ${formatExactDuration(awakeMs)} after their last sign-in (TROVE_SSO_SLEEP)`
        const reason = `${sleep}: ${person.name} wakes this one by signing in at ${signInUrl}`
        throw storeError('unauthenticated', reason, { reason: asleep })
      }
      const limited = limitedTo(last.access, principal)
      if (limited !== undefined) return limited
      const where = project ?? 'this store'
      throw unauthenticated(`${person.name} has no access to ${where} any more (TROVE_SSO_ACCESS)`)
    },
    stillMay: (principal) => {
      if (principal.person === null) return true
      const limited = limitedTo(people.get(principal.person.id)?.access ?? [], principal)
      return limited !== undefined && covers(limited, principal)
    },
  }
}

/** Whether `now`, a limited form of `before`, lost nothing of it. False also when it is not known:
 *  what one glob lost several others may hold together. */
function covers(now: Principal, before: Principal): boolean {
  if (mayAdminister(before)) return mayAdminister(now)
  if (before.project !== null) return now.scope === before.scope
  return before.access.every(({ projects, scope }) =>
    now.access.some(
      (held) => isWithin(projects, held.projects) && [scope, 'write'].includes(held.scope),
    ),
  )
}
