/** Port: what is stored and where its bytes lie, the part of `Metadata` that downloads and
 *  listings use. The rules of metadata.ts hold here too. */
import type { ArtifactSort } from '../core/manifest/artifact-order.ts'
import type { ArtifactKind, ArtifactName, ArtifactState } from '../core/artifact.ts'
import type { BlobPlacement, Copy, Part } from '../core/bytes/copy.ts'
import type { Actor } from '../core/audit.ts'
import type { Digest } from '../core/bytes/digest.ts'
import type { Entry } from '../core/manifest/entry.ts'
import type { ProjectName, RunFacts } from '../core/run/run.ts'

export interface Artifact extends RunFacts {
  id: number
  projectId: number
  project: ProjectName
  runId: number
  runNumber: number
  attempt: number
  job: string
  name: ArtifactName
  /** As stored; `core/policy/retention.ts` decides whether an `available` artifact has expired. */
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
  /** Does not expire while it is the latest of its name on its branch
   *  (core/policy/keep-latest.ts). */
  keptLatest: boolean
  removedAt: number | null
  removedReason: string | null
  /** Null while it is live, when nobody removed it, and when the remover is no longer known. */
  removedBy: Actor | null
  /** How many undismissed secrets it holds; null before the first check. */
  secrets: number | null
  /** Grows when the bytes of a representation change (healing with another stream); part of
   *  every archive's ETag. */
  version: number
}

/** An undefined field does not filter. Fields that must filter when given do not accept
 *  undefined. */
export interface ArtifactFilter {
  projectId?: number
  /** Only artifacts of these projects, at most `limits.projectsAtOnceMax`. */
  projectIds?: readonly number[]
  /** Run number, as users know it. */
  run?: number | undefined
  attempt?: number | undefined
  name?: string | undefined
  branch?: string | undefined
  workflow?: string | undefined
  pullRequest?: number | undefined
  /** Compared without regard to ASCII case. */
  actor?: string | undefined
  /** Made on this branch, but not by a pull request. */
  latestOf?: string
  /** Substring of the name, compared without regard to ASCII case. */
  nameContains?: string | undefined
  pinned?: boolean
  keptLatest?: boolean
  /** Only those that hold undismissed secrets. */
  secrets?: true | undefined
  /** Artifacts of exactly this tree. */
  manifestId?: number
  /** Only those that hold a file with the content of this blob. */
  blobId?: number
  /** Only artifacts older than this one. */
  beforeId?: number
  /** Only artifacts newer than this one. */
  afterId?: number
  /** All but this one. */
  exceptId?: number
  /** Only artifacts made at this instant or later. */
  createdSince?: number | undefined
  /** Excluding that instant. */
  createdBefore?: number | undefined
  /** Default: available or damaged, and unexpired at `now`. */
  state?: ArtifactState | 'any' | undefined
  /** At most one page's worth, since all are examined in one turn. */
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

/** Bytes uploaded on one day; days count from the epoch in UTC. */
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
  /** Modification times in whole seconds since the epoch, aligned with `entries`; null where the
   *  upload had none. */
  modifiedAt: (number | null)[]
}

export interface PlacedStream {
  streamId: number
  copy: Copy
  sizeBytes: number
  crc32: number
  blobDigest: Digest
}

/** One page of a skeleton, opaque to the store. `localOffset` and `centralOffset` are the
 *  offsets in the zip of the page's first local header (including the gap before it) and first
 *  central header. */
export interface SkeletonPage {
  page: number
  localOffset: number
  centralOffset: number
  bytes: Uint8Array
}

export interface ReadingMetadata {
  findArtifact(id: number): Promise<Artifact | undefined>
  /** One page of the artifacts that match the filter; only the last is not full. Ties in the order
   *  are broken by id. Scans as many as needed, in steps: an artifact that appears or disappears in
   *  the meantime may or may not be included. */
  findArtifacts(filter: ArtifactFilter, page: ArtifactPage): Promise<Artifact[]>
  /** The same with `total`, the number of all matches. */
  listArtifacts(
    filter: ArtifactFilter,
    page: ArtifactPage,
  ): Promise<{ artifacts: Artifact[]; total: number }>
  /** The newest match. */
  findNewest(filter: ArtifactFilter, now: number): Promise<Artifact | undefined>
  /** One stored page of entries (`limits.manifestPageEntries` each except the last), with the
   *  artifact's times. Undefined past the end. */
  readEntryPage(artifactId: number, page: number): Promise<EntryPage | undefined>
  /** The entries at the given ordinals, which ascend; undefined for those past the end. When
   *  they lie in many pages, returns only the first ones, at least one; call again for the rest.
   *  Errors: artifact_not_found, artifact_expired, artifact_deleted. */
  readEntries(artifactId: number, ordinals: readonly number[]): Promise<(StoredEntry | undefined)[]>
  /** The size of each page of entries in the zip made of that version of the artifact; null when
   *  not known. Opaque to the store (egress/zip/zip-layout.ts). */
  readZipPages(artifactId: number, version: number): Promise<Uint8Array | null>
  /** As `readEntryPage`, for an uncommitted manifest and without times; used to measure
   *  representations. */
  readStagedEntryPage(manifestId: number, page: number): Promise<EntryPage | undefined>
  /** The entry at `path`, or undefined. */
  findEntry(
    artifactId: number,
    path: string,
  ): Promise<{ entry: StoredEntry; modifiedAt: number | null } | undefined>
  /** The page that holds the first entry at or after `path`; undefined when the manifest ends
   *  before. */
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
  /** At most 1,000 ids, all of which must exist. Results are in the order asked. */
  readStreams(streamIds: number[]): Promise<PlacedStream[]>

  hasPack(name: string): Promise<boolean>
  /** Of at most 1,000 names, those of no pack. */
  unknownPacks(names: string[]): Promise<string[]>

  /** Sums over the artifacts that `listArtifacts` would return. */
  sumArtifacts(filter: ArtifactFilter, now: number): Promise<ArtifactSums>
  /** Their number alone, which takes less where an index says who is live. */
  countArtifacts(filter: ArtifactFilter, now: number): Promise<number>
  /** Sums over the live artifacts of each run (by row id, at most 200); runs without any are
   *  left out. */
  sumRuns(runIds: number[], now: number): Promise<(ArtifactSums & { runId: number })[]>
  /** Live artifacts that hold a file of that digest, newest first; of every project when
   *  `projectIds` is null. With `beforeId` only those with a smaller id, which is the next page. */
  listHolders(
    digest: Digest,
    page: { projectIds: readonly number[] | null; now: number; limit: number; beforeId?: number },
  ): Promise<Artifact[]>
  /** What was uploaded to a project since an instant, by day. Removed artifacts count while
   *  their tombstones exist. */
  listUploadDays(projectId: number, since: number): Promise<DayOfUploads[]>
}
