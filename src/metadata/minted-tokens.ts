/** Port: tokens that the server has minted and that have not ended, for listing. What a token
 *  grants is in the token itself. */
import type { Actor } from '../core/audit.ts'
import type { ProjectAccess } from '../core/access/project-access.ts'
import type { ProjectName } from '../core/run/run.ts'
import type { Author } from './audit.ts'

export interface MintedToken {
  /** The token id of `auth/tokens.ts`. */
  id: string
  /** Null for an administrator's token, and for one with `access`. */
  project: ProjectName | null
  /** The projects of a token for several, unless it is a person's; else empty. */
  access: ProjectAccess[]
  /** The person whose token or session it is. */
  personId: string | null
  scope: string
  run: number | null
  job: string | null
  /** Belongs to a browser session. */
  isSession: boolean
  mintedAt: number
  /** A token that was minted by a project's token has the `issuedAt` of that token. */
  issuedAt: number
  endsAt: number
  /** Its id, and the ids of the tokens it derives from. */
  lineage: string[]
  mintedBy: Actor
}

export interface MintedTokenMetadata {
  /** With `author`, records the token in the audit log. Of the sessions of one token, or of one
   *  person, only the newest `limits.sessionsListedMax` are kept. Errors: too_large (more than
   *  `limits.personalTokensMax` that a person made on a page). */
  addToken(token: MintedToken, author?: Author): Promise<void>
  findToken(id: string): Promise<MintedToken | undefined>
  /** Tokens of a project, of a person, or of all; newest first. `before`: the `number` of the last
   *  token of the previous page. */
  listTokens(
    of: { project?: ProjectName | null; personId?: string },
    page: { limit: number; before?: number | undefined },
  ): Promise<(MintedToken & { number: number })[]>
  /** Deletes at most `limit` tokens that ended before `endedBy`; returns how many. */
  purgeTokens(endedBy: number, limit: number): Promise<number>
}
