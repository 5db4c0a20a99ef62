/** Port: credentials in artifacts, the part of `Metadata` that those who look for them work with, and those who are told. What is
 *  known of a content is asked for by whoever looks, for all projects; people are told only of an artifact that they name. */
import type { Digest } from '../core/digest.ts'
import type { FoundSecret } from '../core/secrets.ts'
import type { Asked } from './audit.ts'

/** A tree that was not looked at by these rules, and the newest artifact of it that is live. */
export interface UnlookedTree {
  manifestId: number
  artifactId: number
}

/** What one content holds. */
export interface Look {
  digest: Digest
  found: FoundSecret[]
}

export interface SecretInTree extends FoundSecret {
  path: string
  /** Of the file. */
  digest: Digest
}

export interface SecretList {
  /** Whether it was looked at, by any rules. */
  isLookedAt: boolean
  /** Files that were too large or too many. */
  passedOver: number
  /** In order of paths and lines. */
  secrets: (SecretInTree & {
    /** When somebody in the project said that what the file holds is no secret. */
    dismissedAt: number | null
  })[]
}

export interface SecretMetadata {
  /** The newest first; those never looked at before those that older rules have seen. */
  listUnlooked(rules: number, page: { now: number; limit: number }): Promise<UnlookedTree[]>
  /** Of contents that were looked at by these rules; others are left out. At most 1,000. */
  readLooks(rules: number, digests: Digest[]): Promise<Look[]>
  /** Passes over contents that have gone. Not durable at once: what a power loss forgets is looked at again. At most 1,000. */
  recordLooks(rules: number, looks: Look[]): Promise<void>
  /** Takes the place of what was known of that tree, unless it has gone. Not durable at once either. */
  recordSecrets(
    manifestId: number,
    rules: number,
    outcome: { secrets: SecretInTree[]; passedOver: number },
  ): Promise<void>
  /** Of an artifact that is there. */
  listSecrets(artifactId: number): Promise<SecretList>
  /** Says of a file of an artifact that what it holds is no secret, in the whole project, or that it is one after all. Errors:
   *  not_found (the artifact has no secret in such a file). */
  dismissSecrets(
    artifactId: number,
    change: { digest: Digest; dismissed: boolean },
    asked: Asked,
  ): Promise<void>
}
