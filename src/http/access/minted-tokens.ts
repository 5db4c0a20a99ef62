/** Long-lived tokens that the server minted: recorded when minted, listed, and revoked by id. */
import type { WireMintedToken } from '../../api/token-messages.ts'
import {
  isJob,
  mayAdminister,
  mayOversee,
  type Principal,
  type Scope,
} from '../../auth/principal.ts'
import { readToken } from '../../auth/tokens.ts'
import type { Actor } from '../../core/audit.ts'
import { hasCode, notFound } from '../../core/errors.ts'
import { noFacts, type ProjectName } from '../../core/run/run.ts'
import { dayMs } from '../../core/units.ts'
import type { Author, MintedToken } from '../../metadata/metadata.ts'
import { instant } from '../instant.ts'
import type { AppContext } from '../context.ts'
import { cutPage } from '../input.ts'
import { actorMessage } from './actor.ts'
import { describeToken, revokeToken } from './authenticate.ts'

/** Records a token before it is handed out. Job tokens that last at most a day are not recorded:
 *  there is one per job, and nobody needs to revoke one by hand. Errors: storage_full. */
export async function noteToken(
  { keys, metadata }: AppContext,
  token: string,
  { at, by }: { at: number; by: Actor },
): Promise<void> {
  const { use, principal } = await readToken(keys.tokens, token)
  if (isJob(principal) && principal.expiresAt - at <= dayMs) return
  const { expiresAt: endsAt, ...described } = describeToken(principal)
  const isSession = use === 'session'
  const minted: MintedToken = {
    ...described,
    project: mayAdminister(principal) ? null : principal.project,
    access: [...principal.access],
    personId: principal.person?.id ?? null,
    isSession,
    mintedAt: at,
    issuedAt: principal.issuedAt,
    endsAt,
    lineage: [...principal.lineage],
    mintedBy: by,
  }
  // A session is in the audit log as a sign-in.
  await metadata.addToken(minted, isSession ? undefined : { at, by })
}

/** Returns a page of the tokens of a project, of a person, or of all, and the position of the next
 *  page. */
export async function readTokens(
  context: AppContext,
  of: { project?: ProjectName | null; personId?: string },
  { limit, before }: { limit: number; before: number | undefined },
): Promise<{ items: WireMintedToken[]; next: number | null }> {
  const found = await context.metadata.listTokens(of, { limit: limit + 1, before })
  const { items, last } = cutPage(found, limit)
  return {
    items: items.map((token) => tokenMessage(context, token)),
    next: last?.number ?? null,
  }
}

/** Errors: not_found (no such token is listed, or the caller may not see it). */
async function findListed(
  { metadata }: AppContext,
  principal: Principal,
  id: string,
): Promise<MintedToken> {
  const token = await metadata.findToken(id)
  if (token !== undefined) {
    const isOwn = token.personId !== null && token.personId === principal.person?.id
    if (isOwn || mayOversee(principal, token.project)) return token
  }
  throw notFound('token', `no token ${id} is listed; others are revoked by their text or project`)
}

/** Errors: not_found. */
export async function readListed(
  context: AppContext,
  principal: Principal,
  id: string,
): Promise<WireMintedToken> {
  const token = await findListed(context, principal, id)
  return tokenMessage(context, token)
}

/** Returns the grant of the revoked token. Errors: not_found, and those of `revokeToken`. */
export async function revokeListed(
  context: AppContext,
  principal: Principal,
  { id, author }: { id: string; author: Author },
): Promise<Principal> {
  const token = await findListed(context, principal, id)
  const revoked = principalOf(token)
  const use = token.isSession ? 'session' : 'api'
  await revokeToken(context, { use, principal: revoked }, author)
  return revoked
}

/** Holds only the fields that decide whether it is valid; the others are placeholders. */
function principalOf({
  scope,
  project,
  access,
  personId,
  run,
  job,
  issuedAt,
  endsAt,
  lineage,
}: MintedToken): Principal {
  return {
    scope: scope as Scope,
    project,
    access,
    run: run === null ? null : { number: run, attempt: 1 },
    job,
    person: personId === null ? null : { id: personId, name: '' },
    facts: noFacts,
    issuedAt,
    expiresAt: endsAt,
    lineage,
  }
}

function tokenMessage(context: AppContext, token: MintedToken): WireMintedToken {
  const { id, run, job, isSession, mintedAt, endsAt, mintedBy } = token
  const { scope, project, access, state } = stateOf(context, token)
  return {
    id,
    project,
    access: [...access],
    scope,
    run,
    job,
    session: isSession,
    mintedAt: instant(mintedAt),
    mintedBy: actorMessage(mintedBy),
    expiresAt: instant(endsAt),
    state,
  }
}

/** Returns what the token may do at present, and why it may not. */
function stateOf(
  { revocations, people, now }: AppContext,
  token: MintedToken,
): Principal & Pick<WireMintedToken, 'state'> {
  const principal = principalOf(token)
  if (token.endsAt <= now()) return { ...principal, state: 'expired' }
  if (revocations.has(principal)) return { ...principal, state: 'revoked' }
  try {
    return { ...people.limit(principal, now()), state: 'valid' }
  } catch (error) {
    if (!hasCode(error, 'unauthenticated')) throw error
    return { ...principal, state: 'asleep' }
  }
}
