/** What a project sets for itself in place of the server's settings, which null follows. */

/** What CreateArtifact does when the name is taken. */
export type ConflictPolicy = 'reject' | 'replace'

export interface ProjectPolicy {
  onConflict: ConflictPolicy | null
  retentionDefaultMs: number | null
  retentionMinMs: number | null
  retentionMaxMs: number | null
  /** Bound on the logical bytes of its live artifacts. */
  quotaBytes: number | null
  /** Jobs replace and delete only what they made themselves. */
  strict: boolean | null
  /** Patterns of what is kept as the latest (core/keep-latest.ts). */
  keepLatest: string[] | null
}
