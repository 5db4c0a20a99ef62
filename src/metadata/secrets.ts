/** Port: credentials in artifacts. Scanners ask what is known of contents across all projects;
 *  people see only the results for an artifact that they name. */
import type { Digest } from '../core/bytes/digest.ts'
import type { FoundSecret } from '../core/secrets/secrets.ts'
import type { Author } from './audit.ts'

/** A tree that was not scanned with these rules, and its newest live artifact. */
export interface UnscannedTree {
  manifestId: number
  artifactId: number
}

/** The scan result of one content. */
export interface Scan {
  digest: Digest
  found: FoundSecret[]
}

export interface SecretInTree extends FoundSecret {
  path: string
  /** Digest of the file. */
  digest: Digest
}

export interface SecretList {
  /** Whether it was scanned, with any rules. */
  isScanned: boolean
  /** Number of files skipped because they were too large or too many. */
  passedOver: number
  /** Ordered by path and line. */
  secrets: (SecretInTree & {
    /** When somebody in the project dismissed the file's findings. */
    dismissedAt: number | null
  })[]
}

export interface SecretMetadata {
  /** Newest first; trees never scanned come before those scanned with older rules. */
  listUnscanned(rules: number, page: { now: number; limit: number }): Promise<UnscannedTree[]>
  /** Results for contents scanned with these rules; others are left out. At most 1,000. */
  readScans(rules: number, digests: Digest[]): Promise<Scan[]>
  /** Skips contents that no longer exist. Not durable at once: what a power loss drops is
   *  scanned again. At most 1,000. */
  recordScans(rules: number, scans: Scan[]): Promise<void>
  /** Replaces the results for that tree, unless it no longer exists. Not durable at once either. */
  recordSecrets(
    manifestId: number,
    rules: number,
    outcome: { secrets: SecretInTree[]; passedOver: number },
  ): Promise<void>
  /** The artifact must exist. */
  listSecrets(artifactId: number): Promise<SecretList>
  /** Returns those of the digests whose findings are dismissed in the project. At most 1,000. */
  listDismissed(projectId: number, digests: Digest[]): Promise<Digest[]>
  /** Dismisses the findings in a file of an artifact for the whole project, or restores them.
   *  Errors: not_found (the artifact has no secret in such a file). */
  dismissSecrets(
    artifactId: number,
    change: { digest: Digest; dismissed: boolean },
    author: Author,
  ): Promise<void>
}
