/** Port: creating artifacts, the part of `Metadata` that uploads use. The rules of metadata.ts
 *  hold here too.
 *
 *  How an upload becomes visible (invariants 1–3):
 *    1. `openSession`.
 *    2. `claimStreams` and `claimBlobs` lease what is known.
 *    3. Packs are sealed, then `addPack` registers them with their blobs; `addComposite` registers
 *       composites.
 *    4. `stageManifest*`, `stageTimes` and `stageSkeleton*` add rows that nobody reads yet.
 *    5. `commitArtifact` publishes all of it in one short transaction.
 *  Rows left by a session that dies are deleted by `abortSession` or by recovery. */
import type { ArtifactKind, ArtifactName } from '../core/artifact.ts'
import type { Actor } from '../core/audit.ts'
import type { BlobFacts, Composite, NewCopy, Part } from '../core/bytes/copy.ts'
import type { Digest } from '../core/bytes/digest.ts'
import type { Entry } from '../core/manifest/entry.ts'
import type { ManifestSummary } from '../core/manifest/manifest.ts'
import type { ProjectName } from '../core/run/run.ts'
import type { Healing } from './damage.ts'
import type { PageEntry } from './manifest-page.ts'
import type { Artifact, SkeletonPage, StoredEntry } from './reading.ts'

/** Which artifacts an upload may replace: any, or only those of its own job. */
export type Replacement = 'replace' | 'replace-own'

/** `open`: blocks may arrive. `assembled`: the block list fixed the bytes. `done`: the upload
 *  became an artifact. */
export type UploadState = 'open' | 'assembled' | 'done'

/** An upload by a stock client (Azure block protocol). */
export interface Upload {
  /** 32 lower-case hex characters; also the name of the staging directory. */
  id: string
  projectId: number
  runId: number
  job: string
  name: ArtifactName
  mimeType: string | null
  /** As requested by the client; policy is applied at commit. */
  requestedExpiresAt: number | null
  state: UploadState
  /** Identifies the accepted block list, to recognize a repeated one. */
  blockListDigest: Digest | null
  contentType: string | null
  sizeBytes: number | null
  artifactId: number | null
  createdAt: number
}

export interface KnownStream extends Pick<
  NewCopy,
  'blob' | 'streamDigest' | 'codec' | 'lengthBytes'
> {
  streamId: number
}

export interface KnownBlob extends BlobFacts {
  /** True when the blob has an undamaged joining copy and can be a part of a composite. */
  joins: boolean
}

/** What the client of a negotiated upload sent so far: canonical lines of its manifest or of
 *  changes to one, composites, and, once the manifest has arrived whole, its summary. Opaque to
 *  the store. */
export type OfferedKind = 'entries' | 'composites' | 'summary' | 'changes'

/** A tree that a project can read whole: no part is missing, damaged, expired or being deleted. */
export interface KnownTree {
  manifestId: number
  /** Live artifacts of the tree at the given instant, newest first, at most 5. */
  artifacts: (Pick<Artifact, 'id' | 'kind'> &
    Pick<NewArtifact, 'zipBytes' | 'zipPages' | 'tarGzBytes'>)[]
}

export interface Published {
  artifact: Artifact
  /** False when the run already had an equal artifact of this name. */
  created: boolean
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
  /** As `readZipPages` returns it. */
  zipPages: Uint8Array | null
  /** Pack bytes added by this upload. */
  newBytes: number
  /** When the upload began. */
  createdAt: number
  /** When it is committed: what has expired by then holds no name, even if it was live when the
   *  upload began. Unless that is doubtful, because it is ahead of the believed time. */
  now: number
  expiresAt: number
  /** `reject`: name_taken when the name is held. `replace`: the holder is deleted (reason
   *  `replaced`) in the same transaction. `replace-own`: the same if the holder has the same job,
   *  else forbidden. Both: forbidden when the holder is kept. `same`: when the holder has the same
   *  job, manifest and kind, it is returned and nothing is committed; otherwise as `reject`. */
  onConflict: 'reject' | Replacement | 'same'
  /** The stock upload that this commit finishes, if any; it becomes `done`. */
  uploadId: string | null
  /** Recorded when the upload replaces an artifact. */
  by?: Actor | undefined
}

/** Upper bounds on logical bytes of live artifacts, checked at commit; null is none. A project's
 *  own setting overrides `projectBytes`. */
export interface Quota {
  projectBytes: number | null
  storeBytes: number | null
}

export interface PublishingMetadata {
  /** Begins a stock upload. Replaces an unfinished one of the same run, job and name, and one of
   *  another job that is older than `takeoverMs`. With `replace`, uploads of several jobs proceed
   *  concurrently and the last to commit wins.
   *  Errors: not_found (no such run); name_taken (with `reject` an artifact has the name; unless
   *  `replace`, a newer upload of another job); forbidden (otherwise, an artifact that is kept;
   *  with `replace-own`, one of another job); too_large (open uploads of the project). */
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
  /** The newest upload of that name in that run and job, including finished ones (Finalize has
   *  only the name). */
  findUploadByName(runId: number, job: string, name: string): Promise<Upload | undefined>
  /** open → assembled. Repeating the same digest succeeds; another digest is
   *  block_list_conflict.
   *  Errors: not_found. */
  assembleUpload(
    id: string,
    list: { digest: Digest; contentType: string | null; sizeBytes: number },
  ): Promise<void>
  /** Ids of uploads created before `olderThan` that are not done; their staging is to be
   *  deleted. */
  listStaleUploads(olderThan: number, limit: number): Promise<string[]>
  /** Ids of uploads that may still need their staging directory (open or assembled). */
  listLiveUploads(): Promise<string[]>
  /** Deletes an upload that is not done, so that it can no longer become an artifact. Returns
   *  whether it did. */
  removeUpload(id: string): Promise<boolean>

  /** Begins an ingest. Everything the session claims is protected from deletion until
   *  `expiresAt`. */
  openSession(session: { projectId: number; now: number; leaseMs: number }): Promise<string>
  renewSession(sessionId: string, now: number, leaseMs: number): Promise<void>
  /** Finds the project's live session for this offer and renews its lease, or begins one. An
   *  offer names its run, so no two projects have the same. Such sessions outlive the process:
   *  recovery leaves them alone until their lease ends, so that a repeated command resumes.
   *  Errors: too_large (open uploads). */
  openOfferSession(session: {
    projectId: number
    offer: Digest
    now: number
    leaseMs: number
  }): Promise<{ sessionId: string; resumed: boolean }>
  /** Whether `openOfferSession` would find a session. */
  hasOfferSession(offer: Digest, now: number): Promise<boolean>
  /** The session, if live. */
  findSession(
    sessionId: string,
  ): Promise<{ projectId: number; project: ProjectName; offer: Digest | null } | undefined>
  /** Pack bytes added by the session. */
  sessionPackBytes(sessionId: string): Promise<number>
  /** As `claimBlobs`, for callers that only name a digest: returns and leases a blob only when
   *  the session's project refers to it or to a composite that contains it, or when the session
   *  already leases it (invariant 10). */
  claimReadableBlobs(sessionId: string, digests: Digest[]): Promise<KnownBlob[]>
  /** As `claimReadableBlobs`, but only what the session already leases. */
  claimSentBlobs(sessionId: string, digests: Digest[]): Promise<KnownBlob[]>
  /** Blobs that the caller has claimed as parts, with their joining copies, in the order asked.
   *  A part that was found damaged since then is marked so. At most 1,000.
   *  Errors: not_found. */
  readJoiningParts(digests: Digest[]): Promise<Part[]>
  /** Digests and sizes of parts `first` to `first + limit` of a composite, in order. `limit` at
   *  most 2,000. */
  readPartDigests(
    blobId: number,
    first: number,
    limit: number,
  ): Promise<{ digest: Digest; sizeBytes: number }[]>
  /** Keeps a page with the session, replacing any page of that number. With null, appends the
   *  page unless one with these bytes exists. */
  stageOffered(
    sessionId: string,
    kind: OfferedKind,
    page: number | null,
    bytes: Uint8Array,
  ): Promise<void>
  readOffered(sessionId: string, kind: OfferedKind, page: number): Promise<Uint8Array | undefined>
  /** Deletes the pages of that kind numbered `from` and above. */
  dropOffered(sessionId: string, kind: OfferedKind, from: number): Promise<void>
  /** Undefined when the project has no such tree or cannot read all of it at `now`. */
  findKnownTree(projectId: number, treeDigest: Digest, now: number): Promise<KnownTree | undefined>
  /** Finds such a tree of the session's project and leases its manifest as the base of changes, so
   *  that it stays whatever happens to its artifacts. Returns the manifest's id. */
  leaseKnownTree(sessionId: string, treeDigest: Digest, now: number): Promise<number | undefined>
  /** The entries of a page of a manifest leased by the session; undefined past the end.
   *  Errors: not_found. */
  readLeasedPage(
    sessionId: string,
    manifestId: number,
    page: number,
  ): Promise<PageEntry[] | undefined>
  /** SHA-256 of the concatenated encoded pages of an artifact's times; of nothing when it has
   *  none. */
  readTimesDigest(artifactId: number): Promise<Digest>
  /** Copies the times of an artifact of the session's project to the artifact being created. */
  stageTimesOf(sessionId: string, artifactId: number): Promise<void>

  /** Returns those of these streams that are stored undamaged, and leases them in the same
   *  statement. At most 1,000 digests; in no order. Only for callers that hold the bytes
   *  themselves (proof of possession). */
  claimStreams(sessionId: string, digests: Digest[]): Promise<KnownStream[]>
  /** Returns those of these blobs that can be read, and leases them in the same statement. At
   *  most 1,000; in no order. Only for callers that hold the bytes themselves. */
  claimBlobs(sessionId: string, digests: Digest[]): Promise<KnownBlob[]>
  /** Registers a sealed pack and its copies. An existing blob gains the copy when it lacks that
   *  stream. A copy whose stream is known by now (two equal concurrent uploads) is left out, and
   *  its bytes are dead weight in the pack. Any number of copies, batched inside. Idempotent.
   *  Returns the blobs of these copies that were damaged, for `listHealings`. */
  addPack(
    sessionId: string,
    pack: { name: string; sizeBytes: number },
    copies: NewCopy[],
  ): Promise<number[]>
  /** Registers a composite of joining blobs that this session has claimed or added. A readable
   *  blob of that digest stays as it is; for a damaged one, returns the healing to pass to
   *  `healBlob`. Any number of parts, batched inside. Idempotent. */
  addComposite(sessionId: string, composite: Composite): Promise<Healing | undefined>

  /** Begins a manifest, invisible until an artifact commits with it; it replaces one that the
   *  session staged before. When the project already has a committed manifest of this tree
   *  digest, leases that one for the session and returns it (`exists`: true) with its own
   *  `entryCount`; it needs no pages. */
  stageManifest(
    sessionId: string,
    manifest: ManifestSummary,
  ): Promise<{ manifestId: number; entryCount: number; exists: boolean }>
  /** Begins a manifest even if the project already has it, so that the session must lease each
   *  of its files. Returns its id. */
  stageNewManifest(sessionId: string, manifest: ManifestSummary): Promise<number>
  /** Adds the next page: at most `limits.manifestPageEntries` entries, in order, after those of
   *  earlier pages. Returns them with the places of their files. The session must lease each
   *  file: directly, or, for page entries, through the manifest they were read from.
   *  Errors: not_found, length_mismatch. */
  stageManifestPage(
    sessionId: string,
    manifestId: number,
    page: number,
    entries: (Entry | PageEntry)[],
  ): Promise<StoredEntry[]>
  /** Adds a page of times, which belong to the artifact and not to its manifest; kept with the
   *  session until commit. One page of times per manifest page, encoded by `encodeTimes` of
   *  core/manifest/modification-times.ts. */
  stageTimes(sessionId: string, page: number, bytes: Uint8Array): Promise<void>
  /** The times staged for a page; undefined when there are none. */
  readStagedTimes(sessionId: string, page: number): Promise<Uint8Array | undefined>
  stageSkeletonPage(sessionId: string, page: SkeletonPage, streamIds: number[]): Promise<void>
  /** Publishes: when this resolves, the artifact is visible and survives a power loss. Ends the
   *  session.
   *  Errors: name_taken, session_ended, quota_exceeded, too_large (artifacts of the run), busy
   *  (perhaps the holder of the name has expired). */
  commitArtifact(sessionId: string, artifact: NewArtifact): Promise<Published>
  /** Drops the manifests that a session staged or found for a commit that failed, but not the base
   *  of its changes; null: those of all sessions, at start. Until then their blobs cannot be
   *  healed. A later commit stages its own. */
  unstageManifests(sessionId: string | null): Promise<void>
  /** Discards everything the session staged. A no-op for an unknown session. */
  abortSession(sessionId: string): Promise<void>
  /** Sessions past their lease at `expiredAt`. With Infinity (recovery of a single-process
   *  store): all, except those of `openOfferSession` whose lease is live at `now`. */
  listSessions(expiredAt: number, limit: number, now?: number): Promise<string[]>
}
