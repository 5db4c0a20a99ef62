/** Port: which tokens are void before their end. */
import type { ProjectName } from '../core/run.ts'
import type { Asked, DescribedToken } from './audit.ts'

export interface RevokedToken {
  /** Of `auth/tokens.ts`. */
  id: string
  /** Null for an administrator's. */
  project: ProjectName | null
  /** Of a browser. They are counted apart, since signing out makes one. */
  isSession: boolean
  issuedAt: number
  /** From then on it is void anyway, with whatever came of it; Infinity where that can be any time. */
  endsAt: number
}

export interface Revocations {
  tokenIds: string[]
  projects: { project: ProjectName; issuedUntil: number }[]
}

export interface RevocationMetadata {
  /** Errors: too_large (more than `limits.revokedTokensMax` of one project and kind). */
  revokeToken(token: RevokedToken, asked?: Asked & { token: DescribedToken }): Promise<void>
  /** All tokens of the project that were issued at `issuedUntil` or before. */
  revokeProjectTokens(project: ProjectName, issuedUntil: number, asked?: Asked): Promise<void>
  listRevocations(): Promise<Revocations>
  /** Forgets at most `limit` tokens that ended before `endedBy`; answers how many. */
  purgeRevocations(endedBy: number, limit: number): Promise<number>
}
