/** Whether a token still stands: checked whenever one is verified, and at the end of every request
 *  body, since an upload can take hours. */
import type { People } from '../../auth/people.ts'
import type { Principal } from '../../auth/principal.ts'
import type { Revocations } from '../../auth/revocations.ts'
import { storeError, unauthenticated } from '../../core/errors.ts'

/** Errors: unauthenticated. */
export function requireUnrevoked(
  { revocations }: { revocations: Pick<Revocations, 'has'> },
  principal: Principal,
): void {
  if (revocations.has(principal))
    throw storeError('unauthenticated', 'the token was revoked', { reason: 'revoked' })
}

/** Errors: unauthenticated (revoked, or its person has lost access since it was verified). */
export function requireStanding(
  context: { revocations: Pick<Revocations, 'has'>; people: Pick<People, 'stillMay'> },
  principal: Principal,
): void {
  requireUnrevoked(context, principal)
  if (context.people.stillMay(principal)) return
  const reason = `${principal.person?.name} lost access during the request (TROVE_SSO_ACCESS)`
  throw unauthenticated(reason)
}
