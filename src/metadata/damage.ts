/** The part of the metadata port about damaged copies: finding, marking and healing them. */
import type { ArtifactKind } from '../core/artifact.ts'
import type { StreamPlace } from '../core/bytes/copy.ts'
import type { PackOccupancy } from './lifecycle.ts'

/** A pack due for verification. `verifiedAt`: when it was last verified, or else written. */
export interface UnverifiedPack extends PackOccupancy {
  verifiedAt: number
}

/** The result of reading a copy back, at the place where it was read. */
export interface CopyVerdict {
  streamId: number
  offset: number
  damaged: boolean
}

/** A blob that becomes readable if its copy switches to another stream, and what that changes. */
export interface Healing {
  blobId: number
  /** The sound stream of the blob; null when the blob is to take the parts of `composite`. */
  streamId: number | null
  /** A composite of the same content, registered without a digest, that waits to become this
   *  blob. */
  composite: { blobId: number; partCount: number; joinedBytes: number } | null
  /** The damaged stream; null when the blob is a composite with damaged parts, which takes a
   *  single copy or other parts. */
  oldStreamId: number | null
  /** Whether the blob's serving copy changes, and whether the stream used to join it changes. */
  replacesCopy: boolean
  replacesJoining: boolean
  /** Composites that contain the blob, and by how many bytes each grows. */
  joinedDeltas: { blobId: number; delta: number }[]
  /** Artifacts that hold any of these blobs, including removed ones that can still be restored. */
  holders: { artifactId: number; manifestId: number; kind: ArtifactKind; version: number }[]
}

/** How far a search for healings has come, opaque for its caller. */
export interface HealingPlace {
  source: number
  place: number
}

/** A holder of a blob to be healed, with the lengths it will have. */
export interface MeasuredHolder {
  artifactId: number
  /** The version that was measured. */
  version: number
  zipBytes: number
  zipPages: Uint8Array
  tarGzBytes: number
  /** The artifact's skeleton names the damaged stream, so that stream stays for it. */
  namesOldStream: boolean
}

/** `busy`: an upload in progress, or too many artifacts, depend on it. `changed`: since the lengths
 *  were measured, it healed otherwise, or its holders or the version of one changed. */
export type HealingOutcome = 'healed' | 'busy' | 'changed'

export interface DamageMetadata {
  /** Marks the copy at which a reader met bad bytes as missing, unless it has been healed or
   *  moved since, and updates its blob and artifacts. */
  markDamaged(read: StreamPlace): Promise<void>

  /** Whole packs with live copies that were not verified between `since` and `now` and were
   *  written before `writtenBefore`, or after `now` (a clock that was set back leaves times in
   *  the future). Least recently verified first (writing a pack counts as verifying it), after
   *  position `after`. */
  listUnverifiedPacks(due: {
    since: number
    now: number
    writtenBefore: number
    after: { verifiedAt: number; id: number }
    limit: number
  }): Promise<UnverifiedPack[]>
  /** Sets the state of copies that still lie where they were read, and updates their blobs and
   *  artifacts. Returns how many copies changed. At most 1,000 verdicts. */
  judgeCopies(packId: number, verdicts: CopyVerdict[]): Promise<{ damaged: number; healed: number }>
  /** Damaged blobs that have a sound stream of other bytes, at most `limit`, and where the rest
   *  begins; with `blobIds` only those, whatever else is damaged. Leaves out blobs on which an
   *  upload in progress, or too many artifacts, depend. */
  listHealings(page: {
    limit: number
    after?: HealingPlace | null
    blobIds?: number[] | undefined
  }): Promise<{ healings: Healing[]; next: HealingPlace | null }>
  /** Switches the blob to the sound stream, in one transaction with a new version and new
   *  lengths of all its holders. */
  healBlob(healing: Healing, measured: MeasuredHolder[]): Promise<HealingOutcome>
  /** Records that every copy of the pack was verified by `at`. */
  recordVerification(packId: number, at: number): Promise<void>
}
