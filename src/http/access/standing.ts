/** Whether a token still stands: checked whenever one is verified, or a URL that it signed, and at
 *  the end of every request body, since an upload can take hours. */
import type { People } from '../../auth/people.ts'
import { anonymousPrincipal, mayReadProject, type Principal } from '../../auth/principal.ts'
import type { Revocations } from '../../auth/revocations.ts'
import { type Signer, signedUrlInvalid } from '../../auth/signed-urls.ts'
import { storeError, unauthenticated } from '../../core/errors.ts'
import type { ProjectName } from '../../core/run/run.ts'
import type { AppContext } from '../context.ts'

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

/** Rejects a signed URL for something of the project once its signer could not read that any more:
 *  the token was revoked, or its person, or without a signer everyone, has lost access. Errors:
 *  signed_url_invalid. */
export function requireStandingSigner(
  { revocations, people, config }: Pick<AppContext, 'revocations' | 'people' | 'config'>,
  signer: Signer | null,
  project: ProjectName,
): void {
  if (signer !== null) {
    const { lineage, issuedAt, person } = signer
    const own = issuedAt === null ? null : project
    if (revocations.has({ scope: 'read', project: own, issuedAt: issuedAt ?? 0, lineage }))
      throw signedUrlInvalid('the token that signed the URL was revoked')
    if (person === null) return
  }
  const access = signer?.person ? people.accessOf(signer.person) : []
  if (access === 'admin') return
  const reader = { ...anonymousPrincipal(config.publicProjects), access }
  if (!mayReadProject(reader, project))
    throw signedUrlInvalid('whoever signed the URL has lost access to the project')
}
