/** Port: what is stored and where its bytes lie, the part of `Metadata` that downloads and listings work with. The rules of
 *  metadata.ts hold here too. */
import type { ArtifactSort } from '../core/artifact-order.ts'
import type { ArtifactKind, ArtifactName, ArtifactState } from '../core/artifact.ts'
import type { BlobPlacement, Copy, Part } from '../core/copy.ts'
import type { Actor } from '../core/audit.ts'
import type { Digest } from '../core/digest.ts'
import type { Entry } from '../core/entry.ts'
import type { ProjectName } from '../core/run.ts'

export interface Artifact {
  id: number
  projectId: number
  project: ProjectName
  runId: number
  runNumber: number
  attempt: number
  branch: string | null
  sha: string | null
  workflow: string | null
  event: string | null
  job: string
  name: ArtifactName
  /** As stored; whether an `available` artifact's time has passed is for `core/retention.ts`. */
  state: ArtifactState
  kind: ArtifactKind
  mimeType: string
  fileName: string | null
  opaqueReason: string | null
  manifestId: number
  treeDigest: Digest
  zipDigest: Digest | null
  zipBytes: number
  tarGzBytes: number
  newBytes: number
  entryCount: number
  fileCount: number
  logicalBytes: number
  createdAt: number
  expiresAt: number
  pinned: boolean
  /** It does not expire as long as it is the latest of its name on its branch (core/keep-latest.ts). */
  keptLatest: boolean
  removedAt: number | null
  removedReason: string | null
  /** Null while it is live, where nobody removed it, and where that is forgotten. */
  removedBy: Actor | null
  /** How many secrets it holds that nobody dismissed; null before it was looked at. */
  secrets: number | null
  /** Grows when a representation's bytes change (heal with another stream); part of every archive's ETag. */
  version: number
}

/** What is undefined narrows nothing; where something must narrow, it cannot be undefined. */
export interface ArtifactFilter {
  projectId?: number
  /** Run number, as users know it. */
  run?: number | undefined
  attempt?: number | undefined
  name?: string | undefined
  branch?: string | undefined
  workflow?: string | undefined
  /** Made on this branch, and not by a pull request. */
  latestOf?: string
  /** Text that the name contains, without regard to ASCII case. */
  nameContains?: string | undefined
  pinned?: boolean
  keptLatest?: boolean
  /** Only those that hold secrets which nobody dismissed. */
  secrets?: true | undefined
  /** Artifacts of exactly this tree. */
  manifestId?: number
  /** Only artifacts older than this one. */
  beforeId?: number
  /** Only artifacts newer than this one. */
  afterId?: number
  /** Only artifacts made at this instant or later. */
  createdSince?: number | undefined
  /** Default: available and damaged, unexpired at `now`. */
  state?: ArtifactState | 'any' | undefined
  /** All of them are looked at in one turn: as many as a page has, at most. */
  ids?: number[]
}

export interface ArtifactPage {
  limit: number
  offset: number
  sort: ArtifactSort
  now: number
}

export interface ArtifactSums {
  artifacts: number
  logicalBytes: number
  newBytes: number
}

/** What was uploaded on a day, counted from the epoch in UTC. */
export interface DayOfUploads {
  day: number
  logicalBytes: number
}

/** A file as stored: what it is, and how its bytes can be read. */
export type StoredFile = Extract<Entry, { kind: 'file' }> & { blob: BlobPlacement }

export type StoredEntry = StoredFile | Exclude<Entry, { kind: 'file' }>

export interface EntryPage {
  /** Position of the first entry in the manifest. */
  firstOrdinal: number
  entries: StoredEntry[]
  /** Modification times in whole seconds since the epoch, aligned with `entries`; null where the upload carried none. */
  modifiedAt: (number | null)[]
}

export interface PlacedStream {
  streamId: number
  copy: Copy
  sizeBytes: number
  crc32: number
  blobDigest: Digest
}

/** One page of a skeleton, opaque to the store. `localOffset` and `centralOffset` are where, in the zip, the page's
 *  first local header (with the gap before it) and first central header begin. */
export interface SkeletonPage {
  page: number
  localOffset: number
  centralOffset: number
  bytes: Uint8Array
}

export interface ReadingMetadata {
  findArtifact(id: number): Promise<Artifact | undefined>
  /** Those that a filter lets through, a page of them. Ties in the order are settled by id. Looks through as many as it takes,
   *  in steps: what comes or goes meanwhile is there or not. */
  findArtifacts(filter: ArtifactFilter, page: ArtifactPage): Promise<Artifact[]>
  /** The same with `total`, which counts all that the filter lets through. */
  listArtifacts(
    filter: ArtifactFilter,
    page: ArtifactPage,
  ): Promise<{ artifacts: Artifact[]; total: number }>
  /** The newest that a filter lets through. */
  findNewest(filter: ArtifactFilter, now: number): Promise<Artifact | undefined>
  /** One stored page of entries (`limits.manifestPageEntries` each but the last), with times of the artifact.
   *  Undefined past the end. */
  readEntryPage(artifactId: number, page: number): Promise<EntryPage | undefined>
  /** The entries at some ordinals, each above the one before; undefined for those past the end. Where they lie in many
   *  pages only the first are answered, at least one: the rest is for the next call.
   *  Errors: artifact_not_found, artifact_expired, artifact_deleted. */
  readEntries(artifactId: number, ordinals: readonly number[]): Promise<(StoredEntry | undefined)[]>
  /** What the pages of entries come to in the zip that is made of that version of an artifact; null where that is not known.
   *  Opaque to the store (egress/zip-layout.ts). */
  readZipPages(artifactId: number, version: number): Promise<Uint8Array | null>
  /** The same as `readEntryPage` for a manifest that is not committed yet, times absent; used to measure representations. */
  readStagedEntryPage(manifestId: number, page: number): Promise<EntryPage | undefined>
  /** The entry at `path`, or undefined. */
  findEntry(
    artifactId: number,
    path: string,
  ): Promise<{ entry: StoredEntry; modifiedAt: number | null } | undefined>
  /** The page that holds the first entry at or after `path`; undefined when the manifest ends before. */
  findEntryPage(artifactId: number, path: string): Promise<number | undefined>
  /** Parts `first` to `first + limit` of a composite, in order. `limit` at most 2,000. */
  readParts(blobId: number, first: number, limit: number): Promise<Part[]>
  readSkeletonPage(artifactId: number, page: number): Promise<SkeletonPage | undefined>
  /** The last page whose `localOffset` (or `centralOffset`) is at or before `offset`. */
  findSkeletonPage(
    artifactId: number,
    side: 'local' | 'central',
    offset: number,
  ): Promise<number | undefined>
  /** At most 1,000 ids. Every id must exist; answers in the order asked. */
  readStreams(streamIds: number[]): Promise<PlacedStream[]>
  findBlob(digest: Digest): Promise<BlobPlacement | undefined>

  hasPack(name: string): Promise<boolean>

  /** Sums over the artifacts that `listArtifacts` would answer with. */
  sumArtifacts(filter: ArtifactFilter, now: number): Promise<ArtifactSums>
  /** Sums over live artifacts of each run (by row id, at most 200); runs without any are left out. */
  sumRuns(runIds: number[], now: number): Promise<(ArtifactSums & { runId: number })[]>
  /** Live artifacts that hold a file of that digest, newest first; of every project when `projectId` is null. With
   *  `beforeId` only those with a smaller id, which is the next page. */
  listHolders(
    digest: Digest,
    page: { projectId: number | null; now: number; limit: number; beforeId?: number },
  ): Promise<Artifact[]>
  /** What a project has got since an instant, by day; what is gone by now is counted as long as its tombstone is there. */
  listUploadDays(projectId: number, since: number): Promise<DayOfUploads[]>
}
