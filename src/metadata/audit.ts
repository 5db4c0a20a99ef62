/** Port: who did what, the part of `Metadata` that the audit log reads. What is done for somebody is recorded by the method
 *  that does it, in the transaction in which it is done: that method is handed `Asked`. */
import type { ActKind, Actor } from '../core/audit.ts'
import type { ProjectPolicy } from '../core/project-policy.ts'
import type { ProjectName } from '../core/run.ts'

/** Who asks for a change, and when. */
export interface Asked {
  at: number
  /** Null: whoever has the token that is revoked. */
  by: Actor | null
}

/** A token without being one. */
export interface DescribedToken {
  id: string
  scope: string
  run: number | null
  job: string | null
  expiresAt: number
}

/** What there is to tell of an act besides its artifacts. */
export interface ActDetails {
  /** `delete-run` and `delete-job`. */
  run?: number
  job?: string
  /** `expire`. */
  expiresAt?: number
  /** `replace`: the artifact that has the name now. */
  replacedBy?: number
  /** `settings`: those that changed. */
  before?: Partial<ProjectPolicy>
  after?: Partial<ProjectPolicy>
  /** `token` and `revoke`. */
  token?: DescribedToken
  /** `revoke-all`. */
  issuedUntil?: number
  /** `gc`: without waiting for any grace. */
  now?: boolean
  /** `backup`. */
  destination?: string
  /** `dismiss-secret` and `undismiss-secret`: of a file. */
  path?: string
}

export interface NewAct {
  kind: ActKind
  /** Null for what is of no project. */
  project: ProjectName | null
  details?: ActDetails
}

export interface Act extends Required<NewAct>, Asked {
  id: number
  /** All that it was done to. What is done to many is as many acts as transactions. */
  artifactIds: number[]
  /** The first of them, as far as they are remembered; at most `limits.auditNamesMax`. */
  artifacts: { id: number; name: string; run: number }[]
}

/** What is undefined narrows nothing. */
export interface ActFilter {
  project?: ProjectName | undefined
  kind?: ActKind | undefined
  /** Only what was done then or later. */
  since?: number | undefined
  artifactId?: number | undefined
}

export interface AuditMetadata {
  /** For what is done elsewhere than in the metadata. */
  recordAct(asked: Asked, act: NewAct): Promise<void>
  /** The newest first. `before`: the `id` of the last one of the page before. */
  listActs(filter: ActFilter, page: { limit: number; before?: number | undefined }): Promise<Act[]>
  /** Forgets at most `limit` acts of then or before; answers how many. */
  purgeActs(by: number, limit: number): Promise<number>
}
