/** A project's overrides of the server's settings; null means that the server's setting applies. */

/** What CreateArtifact does when the name is taken. */
export type ConflictPolicy = 'reject' | 'replace'

export interface ProjectPolicy {
  onConflict: ConflictPolicy | null
  retentionDefaultMs: number | null
  retentionMinMs: number | null
  retentionMaxMs: number | null
  /** Upper bound on the logical bytes of the project's live artifacts. */
  quotaBytes: number | null
  /** Whether jobs may replace and delete only artifacts that they made themselves. */
  strict: boolean | null
  /** Patterns for keeping the latest (core/policy/keep-latest.ts). */
  keepLatest: string[] | null
}
