/** Port: what the stored bytes mean. Each method is one whole transaction in domain words, or a few short ones whose
 *  early rows stay invisible until the last. No method holds the database for more than about 5 ms at a time, and
 *  batches given by callers are bounded by `limits.transactionRowsMax` rows unless said otherwise.
 *
 *  Arguments and answers are structured-cloneable, because the SQLite implementation can run in a worker thread.
 *  Instants are epoch milliseconds. Clock: the caller passes `now`. */
import type { ProjectName, RunFacts, RunIdentity } from '../core/run.ts'
import type { Asked, AuditMetadata } from './audit.ts'
import type { LifecycleMetadata } from './lifecycle.ts'
import type { MintedTokenMetadata } from './minted-tokens.ts'
import type { ConflictPolicy, PublishingMetadata } from './publishing.ts'
import type { ReadingMetadata } from './reading.ts'
import type { RevocationMetadata } from './revocations.ts'
import type { RunRecordMetadata } from './run-records.ts'
import type { TreeMetadata } from './trees.ts'
import type { UsageHistoryMetadata } from './usage-history.ts'

export type * from './audit.ts'
export type * from './lifecycle.ts'
export type * from './minted-tokens.ts'
export type * from './publishing.ts'
export type * from './reading.ts'
export type * from './revocations.ts'
export type * from './run-records.ts'
export type * from './trees.ts'
export type * from './usage-history.ts'

// ---- projects and runs -------------------------------------------------------------------------------------------

export interface Project {
  id: number
  name: ProjectName
  /** What CreateArtifact does when the name is taken; null follows the server's setting. */
  onConflict: ConflictPolicy | null
  /** Overrides of the server's settings; null follows them. */
  retentionDefaultMs: number | null
  retentionMinMs: number | null
  retentionMaxMs: number | null
  /** Bound on the logical bytes of its live artifacts. */
  quotaBytes: number | null
  /** Jobs replace and delete only what they made themselves; null follows the server's setting. */
  strict: boolean | null
  /** Patterns of what is kept as the latest (core/keep-latest.ts); null follows the server's setting. */
  keepLatest: string[] | null
  createdAt: number
}

export type ProjectPolicy = Omit<Project, 'id' | 'name' | 'createdAt'>

export interface Run extends RunIdentity, RunFacts {
  id: number
  projectId: number
  createdAt: number
}

/** What runs can be told apart by. */
export type RunFact = 'branch' | 'workflow' | 'event'
export type RunFilter = Partial<Record<RunFact | 'sha', string>>

// ---- figures -----------------------------------------------------------------------------------------------------

export interface StoreFigures {
  artifacts: number
  /** Of them; until their content comes again. */
  damagedArtifacts: number
  files: number
  /** Sum over live artifacts of what their files hold. */
  logicalBytes: number
  /** Each distinct file once. */
  uniqueBytes: number
  /** Each distinct chunk or unchunked file once, before compression. */
  chunkBytes: number
  /** Sum of pack file sizes. */
  storedBytes: number
  packs: number
  /** Bytes of packs that hold copies of live blobs; the rest of `storedBytes` is dead. */
  liveBytes: number
}

/** Packs are shared by all projects. */
export type ProjectFigures = Omit<
  StoreFigures,
  'damagedArtifacts' | 'storedBytes' | 'packs' | 'liveBytes'
>

export interface Metadata
  extends
    PublishingMetadata,
    ReadingMetadata,
    TreeMetadata,
    LifecycleMetadata,
    RunRecordMetadata,
    RevocationMetadata,
    MintedTokenMetadata,
    AuditMetadata,
    UsageHistoryMetadata {
  /** Finds or creates. Names compare without regard to ASCII case; the first spelling stays. */
  ensureProject(name: ProjectName, now: number): Promise<Project>
  findProject(name: ProjectName): Promise<Project | undefined>
  listProjects(): Promise<Project[]>
  /** Changes what is given, and settles what is kept as the latest where that is part of it. */
  setProjectPolicy(
    projectId: number,
    policy: Partial<ProjectPolicy>,
    now: number,
    asked?: Asked,
  ): Promise<void>
  /** The server's setting for projects without one of their own; settles them when it differs from the last one,
   *  and whatever a call that did not end has left unsettled. */
  setKeepLatest(patterns: string[], now: number): Promise<void>
  /** Finds or creates the run (and its project). Facts that are not null overwrite nulls, never other values. */
  ensureRun(identity: RunIdentity, facts: RunFacts, now: number): Promise<Run>
  findRun(projectId: number, number: number, attempt?: number): Promise<Run | undefined>
  /** Runs of a project, newest first. `before` is the `id` of the last run of the page before. */
  listRuns(
    projectId: number,
    page: { limit: number; before?: number; filter?: RunFilter },
  ): Promise<Run[]>
  /** Distinct values among the newest `limits.runFactsLookedAt` runs of a project, most recently used first. */
  listRunFacts(projectId: number, fact: RunFact, limit: number): Promise<string[]>
  /** Forgets runs that nobody has used since `usedBy` and nothing is kept of: no artifact (not what became of one either), no
   *  upload, no record. Looks at `limit` runs behind id `after`; answers the last of them, null when it came to the end. */
  purgeRuns(usedBy: number, page: { after: number; limit: number }): Promise<number | null>
  figures(): Promise<StoreFigures>
  projectFigures(projectId: number): Promise<ProjectFigures>
  close(): Promise<void>
}
