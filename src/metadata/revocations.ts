/** Port: which tokens are void before they end. */
import type { ProjectName } from '../core/run/run.ts'
import type { Author, DescribedToken } from './audit.ts'

export interface RevokedToken {
  /** The token id of `auth/tokens.ts`. */
  id: string
  /** Null for an administrator's token, and for one with a `holder`. */
  project: ProjectName | null
  /** Whose token it is, where no project has it: a person, or the token for several projects that
   *  it is or descends from. Each has a bound of its own, so that nobody uses up that of others. */
  holder: string | null
  /** Belongs to a browser session. Sessions are counted separately, since every sign-out adds
   *  one. */
  isSession: boolean
  issuedAt: number
  /** When it, every token derived from it and the URLs that they signed end anyway; Infinity when
   *  that has no bound. */
  endsAt: number
}

export interface Revocations {
  tokens: { id: string; endsAt: number }[]
  projects: { project: ProjectName; issuedUntil: number }[]
}

export interface RevocationMetadata {
  /** Errors: too_large (more than `limits.revokedTokensMax` of one project or holder, and kind). */
  revokeToken(token: RevokedToken, author?: Author & { token: DescribedToken }): Promise<void>
  /** All tokens of the project that were issued at `issuedUntil` or before. */
  revokeProjectTokens(project: ProjectName, issuedUntil: number, author?: Author): Promise<void>
  listRevocations(): Promise<Revocations>
  /** Deletes at most `limit` revocations of tokens that ended before `endedBy`; returns how
   *  many. */
  purgeRevocations(endedBy: number, limit: number): Promise<number>
}
