/** Port: expiry, deletion and garbage collection; the part of `Metadata` that maintenance uses.
 *  As in metadata.ts, each method is one whole transaction, or a few short ones. */
import type { Author } from './audit.ts'
import type { NewCopy } from '../core/bytes/copy.ts'

export interface PackOccupancy {
  id: number
  name: string
  sizeBytes: number
  /** Every copy in the file; bytes without framing. */
  copyCount: number
  copyBytes: number
  /** Copies with a stream row. */
  liveCount: number
  liveBytes: number
}

/** Occupancy, and how much of the live part would die. */
export interface DyingPack extends PackOccupancy {
  dyingCount: number
  dyingBytes: number
}

export interface RemovalQuestion {
  /** Assumed gone, whatever their state, to measure what they alone hold. Null: measures all that
   *  would die, with live artifacts that have expired by `now` assumed gone. */
  artifactIds: number[] | null
  /** Assumed gone: removed artifacts whose undo period ends by then. Infinity: all. */
  releasableBy: number
  /** Whether artifacts that are being read stay. */
  readersHold: boolean
  /** Whether to sum up the bytes of `artifactIds` that other artifacts share. */
  shared: boolean
  now: number
}

/** A registered copy. */
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

/** A rollup that did not equal the sum of its rows and has been corrected. */
export interface Drift {
  /** For example `unique_bytes of the store` or `live_count of pack 1f…`. */
  what: string
  stored: number
  counted: number
}

/** A pack without live copies. */
export interface DeadPack {
  id: number
  name: string
  sizeBytes: number
  diedAt: number
  isRead: boolean
}

/** A removed artifact that still holds rows; its position in the order of release. */
export interface ReleasePlace {
  at: number
  id: number
}

export interface ArtifactRemoval {
  state: 'deleted' | 'expired'
  reason: string
  now: number
  /** How long the removal can be undone; the rows are kept that long. */
  undoMs?: number
}

export interface RetentionChange {
  expiresAt?: number
  pinned?: boolean
}

export interface LifecycleMetadata {
  /** Errors: artifact_not_found (no such artifact, or not live). */
  setRetention(artifactId: number, change: RetentionChange, author?: Author): Promise<void>
  /** The same for all that are live and unexpired at `now`, in a few durable transactions;
   *  returns the ids of those that changed. */
  setRetentionOfMany(
    artifactIds: number[],
    change: RetentionChange,
    now: number,
    author?: Author,
  ): Promise<number[]>
  /** Turns artifacts into tombstones, in a few durable transactions; sweep frees the bytes
   *  later. Returns the ids that were live. */
  removeArtifacts(ids: number[], removal: ArtifactRemoval, author?: Author): Promise<number[]>
  /** Turns live artifacts whose time has passed into tombstones: at most `limit`, oldest first,
   *  in one transaction. Returns how many. `clearRemoved` deletes their rows. */
  expireArtifacts(now: number, limit: number): Promise<number>
  /** Undoes a removal within its `undoMs`. Errors: artifact_not_found (no such artifact, or a
   *  live one), artifact_expired, artifact_deleted (too long ago, or replaced), name_taken,
   *  quota_exceeded, too_large (artifacts of the run). */
  restoreArtifact(artifactId: number, now: number, author?: Author): Promise<void>
  /** The same for many, in a few durable transactions; returns the ids of those restored. Skips
   *  those that can no longer be restored and those whose name is taken. Errors: quota_exceeded,
   *  too_large: what earlier transactions restored stays. */
  restoreArtifacts(artifactIds: number[], now: number, author?: Author): Promise<number[]>
  /** Lets removed artifacts whose undo period ended by `by` (Infinity: all) give up their rows,
   *  which `clearRemoved` then deletes. Examines `limit` of them after a place. Returns how many
   *  gave them up, the ids of those being read at `now`, and the last place examined, null at
   *  the end. */
  releaseRemoved(
    by: number,
    now: number,
    page: { after: ReleasePlace; limit: number },
  ): Promise<{ released: number; waiting: number[]; last: ReleasePlace | null }>
  /** Deletes rows that removed artifacts and dead manifests have given up, in at most `stepsMax`
   *  steps of about fifty rows. Returns whether there may be more. `claimDeadBlobs` finds the
   *  blobs that lost a reference. */
  clearRemoved(stepsMax: number): Promise<boolean>
  /** Deletes tombstones of artifacts removed at `removedBy` or earlier, at most `limit`; returns
   *  how many. */
  purgeTombstones(removedBy: number, limit: number): Promise<number>
  /** Measures which copies would die in which packs if the artifacts were gone, and in
   *  `sharedBytes` how many bytes of their contents would stay (serving copies, each counted
   *  once; 0 when not asked for). `released`: how many removed artifacts would be released.
   *  Read-only. The cost is proportional to what they hold. Errors: the abort reason of `signal`;
   *  temporary rows then stay until the connection is closed. */
  measureRemoval(
    question: RemovalQuestion,
    signal?: AbortSignal,
  ): Promise<{ expired: number; released: number; packs: DyingPack[]; sharedBytes: number }>
  /** Compares every rollup with the rows it counts, on one snapshot, and corrects differences.
   *  Of two concurrent calls only one corrects and returns them. Reads all rows by key, a
   *  bounded batch per statement; run it on a thread of its own. Errors: the abort reason of
   *  `signal`. */
  reconcileRollups(signal?: AbortSignal): Promise<Drift[]>
  /** Writes a consistent copy of the database to a new file at `path`, durably. Copies in steps of
   *  some milliseconds, and then checks each table as a whole, which can take seconds: run it on a
   *  thread of its own. Blocks no other connection. Returns the id of the newest pack the copy
   *  knows. Errors: storage_full, storage_failed (also when the database is damaged), the abort
   *  reason of `signal`. */
  copyTo(path: string, signal?: AbortSignal): Promise<number>
  /** When this database was created; 0 if it predates the record of that. */
  bornAt(): Promise<number>
  /** Sets that: to now, when it has come to know all packs there are; until then, to the end of
   *  time (`Number.MAX_SAFE_INTEGER`), so that none of them counts as left by a crash. */
  setBornAt(at: number): Promise<void>
  /** The instant last passed to `noteBelievedTime`; null before the first call. */
  believedTime(): Promise<number | null>
  /** Not durable at once: after a power loss the clock can seem some minutes ahead. */
  noteBelievedTime(at: number): Promise<void>
  /** Packs that the holder of a read lease may read: all but those that were dead when the lease
   *  began. By id, after `after` and up to `newest`. */
  listPacks(page: {
    lease: number
    newest: number
    after: number
    limit: number
  }): Promise<{ id: number; name: string; sizeBytes: number }[]>

  /** Claims for deletion at most `limit` blobs that have no reference and no lease left. */
  claimDeadBlobs(now: number, limit: number): Promise<number[]>
  /** Deletes claimed blobs and their stream rows. */
  removeDeadBlobs(blobIds: number[]): Promise<void>
  /** Packs without live copies, marked dead for good so that nothing new refers to them; by id,
   *  after `after`. `isRead`: a reader that began before the pack died may still hold a place in
   *  it. */
  claimDeadPacks(now: number, page: { after: number; limit: number }): Promise<DeadPack[]>
  /** The same without marking any: packs that are not marked count as dying at `now`. */
  listDeadPacks(now: number, page: { after: number; limit: number }): Promise<DeadPack[]>
  removePackRow(name: string): Promise<void>
  /** Whole packs with live copies, by name: those after `after`, up to and with `upTo`. */
  listLivePacks(page: {
    after: string
    upTo: string
    limit: number
  }): Promise<{ id: number; name: string }[]>
  /** Packs with live copies that waste space: more than half dead, more than a twentieth dead,
   *  or so small that they should be merged. Not those of uploads in progress, which cannot be
   *  removed yet. By id, after `after`. */
  listWastefulPacks(
    waste: 'halfDead' | 'partlyDead' | 'tiny',
    page: { after: number; limit: number },
  ): Promise<PackOccupancy[]>
  /** Live copies of a pack in byte order, after a copy (null: from the beginning). An empty copy
   *  sorts before the one that begins at the same offset, so that a run of copies ends with its
   *  last one. */
  readPackCopies(
    packId: number,
    page: { after: Pick<PackedCopy, 'offset' | 'lengthBytes'> | null; limit: number },
  ): Promise<PackedCopy[]>
  /** Registers a sealed pack of copied bytes and points rows at it that still name the place the
   *  bytes were copied from; none when the pack was found empty in the meantime and claimed for
   *  deletion. Any number of moves, batched inside. Idempotent. */
  moveCopies(
    pack: { name: string; sizeBytes: number; copyCount: number; copyBytes: number },
    moves: CopyMove[],
  ): Promise<void>
  /** Returns at most `pagesMax` free pages of the database to the file system; returns how many
   *  are left. */
  returnPages(pagesMax: number): Promise<number>

  /** Begins reading: one lease per artifact, or a single lease without an artifact for an empty
   *  list. Must precede the first lookup of a place in a pack. `gone`: artifacts that are not
   *  live; then no lease is taken. A lease does not survive a power loss, and neither does its
   *  holder. On a disk that is full, or has become read-only, the lease is known to this
   *  connection only and its id is negative. Errors: storage_full, when another connection
   *  collects garbage. */
  openReadLeases(
    artifactIds: number[],
    now: number,
    leaseMs: number,
  ): Promise<{ leases: number[]; gone: number[] }>
  /** Leases that have ended stay ended. Errors: storage_full, as for `openReadLeases`. */
  renewReadLeases(leases: number[], until: number): Promise<void>
  closeReadLeases(leases: number[]): Promise<void>
  /** Ids of the leases that are live at `now`, at most `limit`. */
  listReadLeases(now: number, limit: number): Promise<number[]>
}
