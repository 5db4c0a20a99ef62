/** Port: the tokens that the server has minted and that last, as they are listed. What they grant stands in themselves. */
import type { Actor } from '../core/audit.ts'
import type { ProjectName } from '../core/run.ts'
import type { Asked } from './audit.ts'

export interface MintedToken {
  /** Of `auth/tokens.ts`. */
  id: string
  /** Null for an administrator's. */
  project: ProjectName | null
  scope: string
  run: number | null
  job: string | null
  /** Of a browser. */
  isSession: boolean
  mintedAt: number
  /** What a project's token mints is as old as that. */
  issuedAt: number
  endsAt: number
  /** Its id, and those of the tokens that it came of. */
  lineage: string[]
  mintedBy: Actor
}

export interface MintedTokenMetadata {
  /** Recorded in the audit log, but for a session, where `asked` is given. Of the sessions of one token only the newest
   *  `limits.sessionsListedMax` stay. */
  addToken(token: MintedToken, asked?: Asked): Promise<void>
  findToken(id: string): Promise<MintedToken | undefined>
  /** Of a project, or of all; the newest first. `before`: the `number` of the last one of the page before. */
  listTokens(
    project: ProjectName | null,
    page: { limit: number; before?: number | undefined },
  ): Promise<(MintedToken & { number: number })[]>
  /** Forgets at most `limit` tokens that ended before `endedBy`; answers how many. */
  purgeTokens(endedBy: number, limit: number): Promise<number>
}
