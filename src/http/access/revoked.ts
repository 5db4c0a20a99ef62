/** The revocation check, made whenever a token is verified and at the end of every request body. */
import type { Principal } from '../../auth/principal.ts'
import type { Revocations } from '../../auth/revocations.ts'
import { storeError } from '../../core/errors.ts'

/** Errors: unauthenticated. */
export function requireUnrevoked(
  { revocations }: { revocations: Pick<Revocations, 'has'> },
  principal: Principal,
): void {
  if (revocations.has(principal))
    throw storeError('unauthenticated', 'the token was revoked', { reason: 'revoked' })
}
