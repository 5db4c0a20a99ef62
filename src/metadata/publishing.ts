/** Port: how artifacts come to be, the part of `Metadata` that uploads work with. The rules of metadata.ts hold here too.
 *
 *  How an upload becomes visible (invariants 1–3):
 *    1. `openSession`; 2. `claimStreams`/`claimBlobs` lease what is known; 3. packs are sealed, then `addPack` registers
 *    them with their blobs; `addComposite` registers composites; 4. `stageManifest*`, `stageTimes`, `stageSkeleton*`
 *    put rows that nobody reads; 5. `commitArtifact` publishes all of it in one short transaction.
 *  A session that dies leaves rows that `abortSession` or recovery takes away. */
import type { ArtifactKind, ArtifactName } from '../core/artifact.ts'
import type { Actor } from '../core/audit.ts'
import type { BlobFacts, Composite, NewCopy, Part } from '../core/copy.ts'
import type { Digest } from '../core/digest.ts'
import type { Entry } from '../core/entry.ts'
import type { ManifestSummary } from '../core/manifest.ts'
import type { Healing } from './lifecycle.ts'
import type { PageEntry } from './manifest-page.ts'
import type { Artifact, SkeletonPage, StoredEntry } from './reading.ts'

/** Of whose artifacts an upload takes the place: of anybody's, or of those of its own job. */
export type Replacement = 'replace' | 'replace-own'

// ---- stock uploads (Azure block protocol) ------------------------------------------------------------------------

/** `open`: blocks may arrive. `assembled`: the block list fixed the bytes. `done`: an artifact came of it. */
export type UploadState = 'open' | 'assembled' | 'done'

export interface Upload {
  /** 32 lower-case hex characters; also the name of the staging directory. */
  id: string
  projectId: number
  runId: number
  job: string
  name: ArtifactName
  mimeType: string | null
  /** As asked for by the client; policy is applied at commit. */
  requestedExpiresAt: number | null
  state: UploadState
  /** Identifies the accepted block list, so that a repeated one is recognized. */
  blockListDigest: Digest | null
  contentType: string | null
  sizeBytes: number | null
  artifactId: number | null
  createdAt: number
}

// ---- ingest ------------------------------------------------------------------------------------------------------

export interface KnownStream extends Pick<
  NewCopy,
  'blob' | 'streamDigest' | 'codec' | 'lengthBytes'
> {
  streamId: number
}

export interface KnownBlob extends BlobFacts {
  /** True when the blob has an undamaged joining copy, so that it can be a part of a composite. */
  joins: boolean
}

/** What a negotiated upload has told: canonical lines of its manifest, composites, and the summary of a manifest that is
 *  there whole. Opaque to the store. */
export type OfferedKind = 'entries' | 'composites' | 'summary' | 'changes'

/** A tree that a project can read whole: nothing of it is missing, damaged, expired or being deleted. */
export interface KnownTree {
  manifestId: number
  /** Artifacts of the tree that are live at the instant asked for, newest first, at most 5. */
  artifacts: (Pick<Artifact, 'id' | 'kind'> &
    Pick<NewArtifact, 'zipBytes' | 'zipPages' | 'tarGzBytes'>)[]
}

export interface NewArtifact {
  runId: number
  job: string
  name: ArtifactName
  kind: ArtifactKind
  mimeType: string
  /** File name offered on download of `raw` and `opaque` artifacts. */
  fileName: string | null
  /** Why a zip was kept whole; `opaque` only. */
  opaqueReason: string | null
  manifestId: number
  zipDigest: Digest | null
  /** Length of the artifact's zip and tar.gz representations. */
  zipBytes: number
  tarGzBytes: number
  /** As `readZipPages` answers it. */
  zipPages: Uint8Array | null
  /** Pack bytes that this upload added. */
  newBytes: number
  /** When the upload began. */
  createdAt: number
  /** When it is committed: what has expired by then holds no name, even if it did when the upload began. */
  now: number
  expiresAt: number
  /** `reject`: name_taken when the name is held. `replace`: the holder is deleted (reason `replaced`) in the same
   *  transaction; `replace-own`: if it has the same job, else forbidden. `same`: when the holder has the same job, manifest and kind, it is the answer and nothing is
   *  committed; otherwise as `reject`. */
  onConflict: 'reject' | Replacement | 'same'
  /** The stock upload that this commit finishes, if any; it becomes `done`. */
  uploadId: string | null
  /** Recorded where the upload takes the place of an artifact. */
  by?: Actor | undefined
}

/** Bounds on logical bytes of live artifacts, checked at commit; null is none. A project's own goes before
 *  `projectBytes`. */
export interface Quota {
  projectBytes: number | null
  storeBytes: number | null
}

/** An entry as a stored manifest has it. */
export type HeldEntry = PageEntry

export interface PublishingMetadata {
  // Stock uploads. A create replaces an unfinished upload of the same run, job and name; one of another job is
  // replaced once it is older than `takeoverMs`, else name_taken. When an artifact holds the name: name_taken. With
  // `onConflict` `replace` neither is: uploads of several jobs go on side by side and the last to commit wins. With
  // `replace-own` an artifact of another job is forbidden. too_large: as many of the project are under way as may be.
  createUpload(upload: {
    id: string
    runId: number
    job: string
    name: ArtifactName
    mimeType: string | null
    requestedExpiresAt: number | null
    now: number
    takeoverMs: number
    onConflict: 'reject' | Replacement
  }): Promise<{ upload: Upload; replacedUploadIds: string[] }>
  findUpload(id: string): Promise<Upload | undefined>
  /** The newest upload of that name in that run and job, finished ones included (Finalize names it only so). */
  findUploadByName(runId: number, job: string, name: string): Promise<Upload | undefined>
  /** open → assembled. The same digest again is success; another is block_list_conflict. Errors: not_found. */
  assembleUpload(
    id: string,
    list: { digest: Digest; contentType: string | null; sizeBytes: number },
  ): Promise<void>
  /** Ids of uploads created before `olderThan` that are not done; used to drop staging. */
  listStaleUploads(olderThan: number, limit: number): Promise<string[]>
  /** Ids of uploads that may still need their staging directory (open or assembled). */
  listLiveUploads(): Promise<string[]>
  /** Forgets an upload that is not done; whether it did. From then on it cannot become an artifact. */
  removeUpload(id: string): Promise<boolean>

  /** Begins an ingest. Everything the session claims is kept from deletion until `expiresAt`. */
  openSession(session: { projectId: number; now: number; leaseMs: number }): Promise<string>
  renewSession(sessionId: string, now: number, leaseMs: number): Promise<void>
  /** Finds the live session of the project that has this offer, renewing its lease, or begins one. An offer names its run,
   *  so no two projects have the same. Such sessions outlive the process: recovery leaves them alone until their lease
   *  ends, so that a repeated command goes on where it was. Errors: too_large (uploads under way). */
  openOfferSession(session: {
    projectId: number
    offer: Digest
    now: number
    leaseMs: number
  }): Promise<{ sessionId: string; resumed: boolean }>
  /** The session while it is live. */
  findSession(sessionId: string): Promise<{ projectId: number; offer: Digest | null } | undefined>
  /** Pack bytes that the session has added. */
  sessionPackBytes(sessionId: string): Promise<number>
  /** As `claimBlobs`, for callers that only name a digest: answers (and leases) a blob only when the session's project
   *  refers to it, or to a composite that it is a part of, or when the session holds a lease on it (invariant 10). */
  claimReadableBlobs(sessionId: string, digests: Digest[]): Promise<KnownBlob[]>
  /** Blobs that the caller has claimed as parts, with their joining copies, in the order asked; one that was found damaged
   *  since then says so. At most 1,000. Errors: not_found. */
  readJoiningParts(digests: Digest[]): Promise<Part[]>
  /** Digests and sizes of parts `first` to `first + limit` of a composite, in order. `limit` at most 2,000. */
  readPartDigests(
    blobId: number,
    first: number,
    limit: number,
  ): Promise<{ digest: Digest; sizeBytes: number }[]>
  /** Keeps a page with the session; one of that number is replaced. Null takes the number after the last, unless a page of
   *  these bytes is kept already. */
  stageOffered(
    sessionId: string,
    kind: OfferedKind,
    page: number | null,
    bytes: Uint8Array,
  ): Promise<void>
  readOffered(sessionId: string, kind: OfferedKind, page: number): Promise<Uint8Array | undefined>
  /** Forgets the pages of that kind from number `from` on. */
  dropOffered(sessionId: string, kind: OfferedKind, from: number): Promise<void>
  /** Undefined when the project has no such tree, or cannot read all of it at `now`. */
  findKnownTree(projectId: number, treeDigest: Digest, now: number): Promise<KnownTree | undefined>
  /** Finds such a tree of the session's project and leases its manifest, whose id is the answer, so that it stays whatever
   *  happens to artifacts. */
  leaseKnownTree(sessionId: string, treeDigest: Digest, now: number): Promise<number | undefined>
  /** The entries of a page of a manifest that the session has leased; undefined past the end. Errors: not_found. */
  readLeasedPage(
    sessionId: string,
    manifestId: number,
    page: number,
  ): Promise<HeldEntry[] | undefined>
  /** SHA-256 over the encoded pages of an artifact's times, in order; of nothing when it has none. */
  readTimesDigest(artifactId: number): Promise<Digest>
  /** Stages the times of an artifact of the session's project as those of the artifact to come. */
  stageTimesOf(sessionId: string, artifactId: number): Promise<void>

  /** Which of these stored streams exist undamaged; those answered are leased in the same statement.
   *  At most 1,000 digests; no order. Only for callers that hold the bytes themselves (proof of possession). */
  claimStreams(sessionId: string, digests: Digest[]): Promise<KnownStream[]>
  /** Which of these blobs exist and can be read, leased in the same statement. At most 1,000; no order. Only for callers
   *  that hold the bytes themselves. */
  claimBlobs(sessionId: string, digests: Digest[]): Promise<KnownBlob[]>
  /** Registers a sealed pack and its copies; blobs that exist already gain the copy when it is a stream they lack.
   *  A copy whose stream is known by now (two equal uploads at once) is left out and its bytes are dead weight in the
   *  pack. Any number of copies; batched inside. Repeating the call is harmless. */
  addPack(
    sessionId: string,
    pack: { name: string; sizeBytes: number },
    copies: NewCopy[],
  ): Promise<void>
  /** Registers a composite over blobs that join, all of them claimed or added by this session. Repeating is harmless.
   *  A blob of that digest that can be read stays as it is;
   *  one that is damaged waits for `healBlob` with the answer. Any number of parts; batched inside. */
  addComposite(sessionId: string, composite: Composite): Promise<Healing | undefined>

  /** Begins a manifest, invisible until an artifact commits with it; one that the session staged before goes. When the project already has a committed manifest
   *  of this tree digest, that one is answered (`exists`: true), leased for the session, and needs no pages; `entryCount` is
   *  its own. */
  stageManifest(
    sessionId: string,
    manifest: ManifestSummary,
  ): Promise<{ manifestId: number; entryCount: number; exists: boolean }>
  /** Adds the next page: at most `limits.manifestPageEntries` entries, in order, after those of earlier pages; answers
   *  them with the places of their files, which the session must have leased: by themselves, or held entries with the
   *  manifest that they were read from. Errors: not_found, length_mismatch. */
  stageManifestPage(
    sessionId: string,
    manifestId: number,
    page: number,
    entries: (Entry | HeldEntry)[],
  ): Promise<StoredEntry[]>
  /** Adds what belongs to the artifact to come, not to its manifest; kept under the session until commit. Times are per
   *  manifest page, as `encodeTimes` of core/modification-times.ts gives them. */
  stageTimes(sessionId: string, page: number, bytes: Uint8Array): Promise<void>
  /** The times that are staged for a page; undefined when there are none. */
  readStagedTimes(sessionId: string, page: number): Promise<Uint8Array | undefined>
  stageSkeletonPage(sessionId: string, page: SkeletonPage, streamIds: number[]): Promise<void>
  /** Publishes: the artifact is visible when this resolves, and survives a power loss. Ends the session.
   *  Errors: name_taken, session_ended, quota_exceeded, too_large (artifacts of the run). */
  commitArtifact(
    sessionId: string,
    artifact: NewArtifact,
  ): Promise<{ artifact: Artifact; created: boolean }>
  /** Takes back everything the session staged. Harmless when it is unknown. */
  abortSession(sessionId: string): Promise<void>
  /** Sessions past their lease at `expiredAt`; with Infinity all but those of `openOfferSession` whose lease goes on at
   *  `now` (recovery of a single-process store), else by the clock. */
  listSessions(expiredAt: number, limit: number, now?: number): Promise<string[]>
}
