/** The steps of a negotiated upload that run in the ingest threads. Structured-cloneable. */
import type { ArtifactName } from '../../core/artifact.ts'
import type { Actor } from '../../core/audit.ts'
import type { Digest } from '../../core/bytes/digest.ts'
import type { ManifestSummary } from '../../core/manifest/manifest.ts'
import type { Published, Replacement } from '../../metadata/metadata.ts'

/** `manifest`, `changes`, `times`, `parts` and `blobs` have a body. */
export type NegotiationJob = NegotiationStep & {
  /** The caller may not read its whole project, so only what the session sent counts as known. */
  sentOnly: boolean
}

type NegotiationStep =
  | {
      step: 'manifest'
      sessionId: string
      treeDigest: Digest
      entryCount: number
      encoding: ManifestEncoding
    }
  | {
      step: 'changes'
      sessionId: string
      treeDigest: Digest
      base: Digest
      encoding: ManifestEncoding
    }
  | { step: 'missing'; sessionId: string }
  | { step: 'times'; sessionId: string; entryCount: number }
  | { step: 'parts'; sessionId: string }
  | { step: 'blobs'; sessionId: string }
  | ({ step: 'commit' } & Offer)

/** Compression of a manifest's text in transit. */
export type ManifestEncoding = 'br' | 'gzip'

export interface OfferedArtifact {
  /** As announced by the client. */
  tree: ManifestSummary
  runId: number
  job: string
  name: ArtifactName
  createdAt: number
  expiresAt: number
  onConflict: Replacement | 'same'
  by?: Actor
}

/** The artifact that a session is to make visible. */
export type Offer = OfferedArtifact & { sessionId: string }

export interface NegotiationAnswers {
  /** Encoded ordinals of the missing entries. */
  manifest: Uint8Array
  /** Encoded ordinals of the missing entries, among those sent. */
  changes: Uint8Array
  missing: Uint8Array
  times: null
  /** Encoded ordinals of the missing parts, among those of the request. */
  parts: Uint8Array
  blobs: { blobs: number; newBytes: number }
  commit: Published
}
export type NegotiationAnswer = NegotiationAnswers[keyof NegotiationAnswers]
