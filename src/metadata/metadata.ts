/** Port: what the stored bytes mean. Each method is one whole transaction in domain words, or a
 *  few short ones whose early rows stay invisible until the last. No method holds the database
 *  for more than about 5 ms at a time. Batches passed by callers are at most
 *  `limits.transactionRowsMax` rows unless stated otherwise.
 *
 *  Arguments and results are structured-cloneable, because the SQLite implementation can run in
 *  a worker thread. Instants are epoch milliseconds. Clock: the caller passes `now`. */
import type { AuditMetadata } from './audit.ts'
import type { DamageMetadata } from './damage.ts'
import type { LifecycleMetadata } from './lifecycle.ts'
import type { MintedTokenMetadata } from './minted-tokens.ts'
import type { PeopleMetadata } from './people.ts'
import type { ProjectMetadata } from './projects.ts'
import type { PublishingMetadata } from './publishing.ts'
import type { ReadingMetadata } from './reading.ts'
import type { RevocationMetadata } from './revocations.ts'
import type { RunRecordMetadata } from './run-records.ts'
import type { SecretMetadata } from './secrets.ts'
import type { TreeMetadata } from './trees.ts'
import type { UsageHistoryMetadata } from './usage-history.ts'

export type * from './audit.ts'
export type * from './damage.ts'
export type * from './lifecycle.ts'
export type { PageEntry } from './manifest-page.ts'
export type * from './minted-tokens.ts'
export type * from './page-capture.ts'
export type * from './people.ts'
export type * from './projects.ts'
export type * from './publishing.ts'
export type * from './reading.ts'
export type * from './revocations.ts'
export type * from './run-records.ts'
export type * from './secrets.ts'
export type * from './trees.ts'
export type * from './usage-history.ts'

export interface StoreFigures {
  artifacts: number
  /** How many of `artifacts` are damaged, until their content is uploaded again. */
  damagedArtifacts: number
  files: number
  /** Sum of the file sizes of live artifacts. */
  logicalBytes: number
  /** The same of removed artifacts that are not released yet, because their deletion can be undone
   *  or somebody reads them. Their content counts in all figures below. */
  removedBytes: number
  /** Each distinct file counted once. */
  uniqueBytes: number
  /** Each distinct chunk or unchunked file counted once, before compression. */
  chunkBytes: number
  /** Sum of pack file sizes. */
  storedBytes: number
  packs: number
  /** Bytes of packs that hold copies of live blobs; the rest of `storedBytes` is dead. */
  liveBytes: number
}

/** Lacks the figures about packs, which all projects share. */
export type ProjectFigures = Omit<
  StoreFigures,
  'damagedArtifacts' | 'storedBytes' | 'packs' | 'liveBytes'
>

export interface Metadata
  extends
    ProjectMetadata,
    PublishingMetadata,
    ReadingMetadata,
    TreeMetadata,
    DamageMetadata,
    LifecycleMetadata,
    RunRecordMetadata,
    RevocationMetadata,
    MintedTokenMetadata,
    PeopleMetadata,
    AuditMetadata,
    SecretMetadata,
    UsageHistoryMetadata {
  figures(): Promise<StoreFigures>
  /** Errors: not_found. */
  projectFigures(projectId: number): Promise<ProjectFigures>
  close(): Promise<void>
}
