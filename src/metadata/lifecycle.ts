/** Port: what time and damage do to a store, the part of `Metadata` that maintenance works with. The rules of metadata.ts
 *  hold here too: each method is one whole transaction, or a few short ones. */
import type { Asked } from './audit.ts'
import type { ArtifactKind } from '../core/artifact.ts'
import type { NewCopy, StreamPlace } from '../core/copy.ts'

export interface PackOccupancy {
  id: number
  name: string
  sizeBytes: number
  /** Every copy that the file holds; bytes without framing. */
  copyCount: number
  copyBytes: number
  /** Copies with a stream row. */
  liveCount: number
  liveBytes: number
}

/** A pack to be verified. `verifiedAt`: when it was last, or when it was written. */
export interface UnverifiedPack extends PackOccupancy {
  verifiedAt: number
}

/** Occupancy, and what of the live part would die. */
export interface DyingPack extends PackOccupancy {
  dyingCount: number
  dyingBytes: number
}

export interface RemovalQuestion {
  /** Gone, whatever their state. */
  artifactIds: number[]
  /** Gone: live ones whose time ends by then. -1: none. */
  expiredBy: number
  /** Gone: removed ones whose undo time ends by then. Infinity: all. */
  releasableBy: number
  /** Whether artifacts that somebody reads stay. */
  readersHold: boolean
  /** True: everything that would die. False: only what `artifactIds` alone hold. */
  garbage: boolean
  /** Whether to add up what `artifactIds` hold besides. */
  shared: boolean
  now: number
}

/** A copy that is registered. */
export interface PackedCopy extends NewCopy {
  streamId: number
  damaged: boolean
}

export interface CopyMove {
  streamId: number
  fromPackId: number
  fromOffset: number
  offset: number
  lengthBytes: number
}

/** What reading a copy back has shown, at the place where it was read. */
export interface CopyVerdict {
  streamId: number
  offset: number
  damaged: boolean
}

/** A blob that can be read again if it takes another stream for its copy, and what that changes. */
export interface Healing {
  blobId: number
  /** The sound stream of the blob; null when it is to take the parts of `composite`. */
  streamId: number | null
  /** A composite of the same content that waits, without a digest, to become this blob. */
  composite: { blobId: number; partCount: number; joinedBytes: number } | null
  /** The damaged one; null when the blob is a composite with damaged parts, which takes a single copy or other parts. */
  oldStreamId: number | null
  /** Whether the blob's own serving copy changes, and whether the stream does by which it joins. */
  replacesCopy: boolean
  replacesJoining: boolean
  /** Composites that it is a part of, and how much longer each gets. */
  joinedDeltas: { blobId: number; delta: number }[]
  /** Artifacts that hold any of these blobs, those that can still be taken back included. */
  holders: { artifactId: number; manifestId: number; kind: ArtifactKind; version: number }[]
}

/** A holder of a blob that is to be healed, with the lengths that it will have. */
export interface MeasuredHolder {
  artifactId: number
  /** The one that was measured. */
  version: number
  zipBytes: number
  zipPages: Uint8Array
  tarGzBytes: number
  /** The artifact's skeleton names the damaged stream, which stays for it. */
  namesOldStream: boolean
}

/** `busy`: an upload under way, or too many artifacts, depend on it. `changed`: other artifacts hold it now, or have another
 *  version, whose lengths are not those that were measured. */
export type HealingOutcome = 'healed' | 'busy' | 'changed'

/** A rollup that was not what its rows add up to, and has been set right. */
export interface Drift {
  /** Such as `unique_bytes of the store` or `live_count of pack 1f…`. */
  what: string
  stored: number
  counted: number
}

export interface ReadLease {
  id: number
  /** Null when it reads across artifacts. */
  artifactId: number | null
  startedAt: number
  until: number
}

/** A pack in which nothing is alive. */
export interface DeadPack {
  id: number
  name: string
  sizeBytes: number
  diedAt: number
  isRead: boolean
}

/** A removed artifact among those that hold rows still, in the order in which they may let go of them. */
export interface ReleasePlace {
  at: number
  id: number
}

export interface ArtifactRemoval {
  state: 'deleted' | 'expired'
  reason: string
  now: number
  /** How long it can be taken back; the rows stay that long. */
  undoMs?: number
}

export interface RetentionChange {
  expiresAt?: number
  pinned?: boolean
}

export interface LifecycleMetadata {
  /** Errors: artifact_not_found (none, or not a live one). */
  setRetention(artifactId: number, change: RetentionChange, asked?: Asked): Promise<void>
  /** The same for all that are live and unexpired at `now`, in a few durable transactions; answers the ids of those that were
   *  otherwise before. */
  setRetentionOfMany(
    artifactIds: number[],
    change: RetentionChange,
    now: number,
    asked?: Asked,
  ): Promise<number[]>
  /** Makes tombstones, in a few durable transactions; bytes come back with sweep. Answers the ids of those that were live. */
  removeArtifacts(artifactIds: number[], removal: ArtifactRemoval, asked?: Asked): Promise<number[]>
  /** Makes tombstones of live artifacts whose time has passed, at most `limit` of them, the oldest first, in one
   *  transaction; answers how many. Their rows go with `clearRemoved`. */
  expireArtifacts(now: number, limit: number): Promise<number>
  /** Takes a removal back while its `undoMs` last. Errors: artifact_not_found (none, or a live one), artifact_expired,
   *  artifact_deleted (too long ago), name_taken, quota_exceeded, too_large (artifacts of the run). */
  restoreArtifact(artifactId: number, now: number, asked?: Asked): Promise<void>
  /** The same for many, in a few durable transactions; answers the ids of those that came back. Those that had ended, or whose
   *  name is taken, are passed over. Errors: quota_exceeded, too_large: what earlier transactions brought back stays. */
  restoreArtifacts(artifactIds: number[], now: number, asked?: Asked): Promise<number[]>
  /** Removed artifacts whose time to undo ended by `by` (Infinity: all) let go of their rows, which go with `clearRemoved`.
   *  Looks at `limit` of them after a place; answers how many did, the ids of those that somebody reads at `now`, and the last
   *  place, null behind the last of all. */
  releaseRemoved(
    by: number,
    now: number,
    page: { after: ReleasePlace; limit: number },
  ): Promise<{ released: number; waiting: number[]; last: ReleasePlace | null }>
  /** Takes away rows that removed artifacts and dead manifests have let go of, in at most `stepsMax` steps of some fifty rows;
   *  whether there may be more. Blobs that lose a reference with them are found by `claimDeadBlobs`. */
  clearRemoved(stepsMax: number): Promise<boolean>
  /** Forgets tombstones of artifacts removed by `removedBy`, at most `limit`; answers how many. */
  purgeTombstones(removedBy: number, limit: number): Promise<number>
  /** What would die in which packs if artifacts were gone, and how many bytes of their contents would stay: copies that serve,
   *  each counted once (0 when not asked for). `released`: removed artifacts that would let go. Changes nothing; costs in proportion to what they hold. */
  measureRemoval(
    question: RemovalQuestion,
  ): Promise<{ expired: number; released: number; packs: DyingPack[]; sharedBytes: number }>
  /** A reader met bad bytes: the copy counts as missing from now on, unless it lies elsewhere by now, healed or moved;
   *  answers the live artifacts it touches. */
  markDamaged(read: StreamPlace): Promise<number[]>

  /** Whole packs with something alive that have not been verified between `since` and `now` and were written before
   *  `writtenBefore`, or after `now` (a clock that was set back leaves times to come): those verified longest ago first (a
   *  pack counts as verified when it is written), after position `after`. */
  listUnverifiedPacks(due: {
    since: number
    now: number
    writtenBefore: number
    after: { verifiedAt: number; id: number }
    limit: number
  }): Promise<UnverifiedPack[]>
  /** Sets the state of copies that still lie where they were read; notes what follows for their blobs and artifacts.
   *  Answers how many copies changed, and the live artifacts that hold any of those. At most 1,000 verdicts. */
  judgeCopies(
    packId: number,
    verdicts: CopyVerdict[],
  ): Promise<{ damaged: number; healed: number; artifactIds: number[] }>
  /** Damaged blobs that have a sound stream of other bytes, at most `limit`; not those on which an upload under way, or too many
   *  artifacts, depend now. */
  listHealings(limit: number): Promise<Healing[]>
  /** Lets the blob take the sound stream, in one transaction with a new version and new lengths of all its holders. */
  healBlob(healing: Healing, measured: MeasuredHolder[]): Promise<HealingOutcome>
  /** Every copy of the pack was verified by `at`. */
  recordVerification(packId: number, at: number): Promise<void>
  /** Compares every rollup with the rows that it counts, on one snapshot, and sets right what is off. Of
   *  two calls at once only one does, and answers it. Reads all rows by their keys, a bounded batch in a statement: for a
   *  thread of its own. */
  reconcileRollups(): Promise<Drift[]>
  /** Writes a consistent copy of everything to a new file at `path`, durably. Holds up no other connection, but this one
   *  until it is done: for a thread of its own. Answers the id of the newest pack that the copy knows.
   *  Errors: storage_full. */
  copyTo(path: string): Promise<number>
  /** When this database was made; 0 when it is too old to tell. */
  bornAt(): Promise<number>
  /** The instant that `noteBelievedTime` was last called with; null before the first. */
  believedTime(): Promise<number | null>
  /** Not durable at once: what a power loss forgets makes the clock look ahead by some minutes. */
  noteBelievedTime(at: number): Promise<void>
  /** Packs that the holder of a read lease may come to: all but those that were dead when it began. By id, after
   *  `after` and not beyond `newest`. */
  listPacks(page: {
    lease: number
    newest: number
    after: number
    limit: number
  }): Promise<{ id: number; name: string; sizeBytes: number }[]>

  /** Blobs that lost a reference or a lease and have neither now: claims at most `limit` of them for deletion. */
  claimDeadBlobs(now: number, limit: number): Promise<number[]>
  /** Deletes claimed blobs and their stream rows. */
  removeDeadBlobs(blobIds: number[]): Promise<void>
  /** Packs in which nothing is alive any more, marked for good so that nothing new refers to them; by id, after `after`.
   *  `isRead`: somebody reads who began before the pack died, and may hold a place in it. */
  claimDeadPacks(now: number, page: { after: number; limit: number }): Promise<DeadPack[]>
  /** The same without marking any: those that are not marked die at `now`. */
  listDeadPacks(now: number, page: { after: number; limit: number }): Promise<DeadPack[]>
  removePackRow(name: string): Promise<void>
  /** Packs with something alive that waste room: more than half dead, more than a twentieth dead, or so small that they
   *  should be merged. By id, after `after`. */
  listWastefulPacks(
    waste: 'halfDead' | 'partlyDead' | 'tiny',
    page: { after: number; limit: number },
  ): Promise<PackOccupancy[]>
  /** What is alive in a pack, in the order of its bytes, after a copy (null: from the beginning). One of no bytes comes
   *  before the one that begins where it lies, so that copies in a row end with the last of them. */
  readPackCopies(
    packId: number,
    page: { after: Pick<PackedCopy, 'offset' | 'lengthBytes'> | null; limit: number },
  ): Promise<PackedCopy[]>
  /** Registers a sealed pack of copied bytes and moves rows there that still point at the place they were copied from;
   *  answers how many; none when it was found empty meanwhile and claimed for deletion. Any number of moves, batched inside.
   *  Repeating is harmless. */
  moveCopies(
    pack: { name: string; sizeBytes: number; copyCount: number; copyBytes: number },
    moves: CopyMove[],
  ): Promise<number>
  /** Gives at most `pagesMax` free pages of the database back to the file system; answers how many are left. */
  returnPages(pagesMax: number): Promise<number>

  /** Begins reading: one lease for each artifact, or a single one of no artifact for an empty list. Must come before the
   *  first place in a pack is asked for. `gone`: artifacts that are not live; then there are no leases. Does not outlive
   *  a power loss, as its holder does not. Where the disk takes nothing, one that only this connection knows, whose id is
   *  negative. Errors: storage_full, where another connection collects garbage. */
  openReadLeases(
    artifactIds: number[],
    now: number,
    leaseMs: number,
  ): Promise<{ leases: number[]; gone: number[] }>
  /** Leases that have ended stay ended. Errors: storage_full, likewise. */
  renewReadLeases(leases: number[], until: number): Promise<void>
  closeReadLeases(leases: number[]): Promise<void>
  /** Leases that are live at `now`, at most `limit`. */
  listReadLeases(now: number, limit: number): Promise<ReadLease[]>
}
