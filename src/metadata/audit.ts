/** Port: who did what, the part of `Metadata` that the audit log reads. An act on behalf of
 *  somebody is recorded by the method that performs it, in the same transaction; that method
 *  takes `Author`. */
import type { ActKind, Actor } from '../core/audit.ts'
import type { ProjectPolicy } from '../core/policy/project-policy.ts'
import type { ProjectName } from '../core/run/run.ts'

/** Who makes a change, and when: like the author of a git commit. */
export interface Author {
  at: number
  /** Null: the holder of the token being revoked, or somebody who was refused at sign-in. */
  by: Actor | null
}

/** Describes a token without containing it. */
export interface DescribedToken {
  id: string
  scope: string
  run: number | null
  job: string | null
  expiresAt: number
}

/** Facts about an act besides its artifacts. Each field names the kinds of act that set it. */
export interface ActDetails {
  /** `delete-run` and `delete-job`. For `cancel-job` the id and kind of a maintenance job. */
  run?: number
  job?: string
  jobKind?: string
  /** `expire`. */
  expiresAt?: number
  /** `replace`: the artifact that has the name now. */
  replacedBy?: number
  /** `settings`: only those that changed. */
  before?: Partial<ProjectPolicy>
  after?: Partial<ProjectPolicy>
  /** `token` and `revoke`. */
  token?: DescribedToken
  /** `revoke-all`. */
  issuedUntil?: number
  /** `gc`: run without waiting for any grace period. */
  now?: boolean
  /** `backup`. */
  destination?: string
  /** `sign-in` and `refused-sign-in`: the host of the provider of single sign-on, or what else was
   *  presented, why that was refused, and how many sign-ins were left out before. */
  provider?: string
  with?: 'token' | 'link'
  reason?: string
  unrecorded?: number
  /** `dismiss-secret` and `undismiss-secret`: the file. */
  path?: string
}

export interface NewAct {
  kind: ActKind
  /** Null for acts that belong to no project. */
  project: ProjectName | null
  details?: ActDetails
}

export interface Act extends Required<NewAct>, Author {
  id: number
  /** All artifacts the act applied to. An operation on many is recorded as one act per
   *  transaction. */
  artifactIds: number[]
  /** The first of them that are still known; at most `limits.auditNamesMax`. */
  artifacts: { id: number; name: string; run: number }[]
}

/** An undefined field does not filter. */
export interface ActFilter {
  project?: ProjectName | undefined
  kind?: ActKind | undefined
  /** Only acts at this instant or later. */
  since?: number | undefined
  artifactId?: number | undefined
  /** Beginning of a token's id: only acts of that token, of one made with it, or on it. */
  tokenId?: string | undefined
}

export interface AuditMetadata {
  /** Records an act that is performed outside the metadata. */
  recordAct(author: Author, act: NewAct): Promise<void>
  /** Newest first. `before`: the `id` of the last act of the previous page. */
  listActs(filter: ActFilter, page: { limit: number; before?: number | undefined }): Promise<Act[]>
  /** Deletes at most `limit` acts recorded at `by` or earlier; returns how many. */
  purgeActs(by: number, limit: number): Promise<number>
}
