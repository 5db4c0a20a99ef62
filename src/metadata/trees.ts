/** Port: whole trees as lists, the part of `Metadata` that asks what entries are and not where their bytes lie. The rules of
 *  metadata.ts hold here too. */
import type { Entry } from '../core/entry.ts'

/** A page of a manifest, as it travels. */
export interface TreePage {
  /** Canonical lines (core/manifest.ts). */
  lines: Uint8Array
  /** As `encodeTimes` makes them; null where the upload carried none. */
  times: Uint8Array | null
}

/** An entry of one of two trees that are compared. */
export interface ComparedEntry {
  entry: Entry
  /** Seconds since the epoch; null where the upload carried none. */
  modifiedAt: number | null
}

/** The entries of both trees at one path, of which at least one is there. */
export type EntryPair =
  | { before: ComparedEntry; after: ComparedEntry }
  | { before: ComparedEntry; after: null }
  | { before: null; after: ComparedEntry }

/** Where a comparison is: the ordinal of the next entry of each tree. */
export interface ComparePlace {
  base: number
  head: number
}

/** A stretch of a comparison: some stored pages of each tree. */
export interface ComparedStretch {
  /** In order of paths. */
  differing: EntryPair[]
  unchanged: number
  /** Null at the end. */
  next: ComparePlace | null
}

/** The same as lines. */
export interface ChangedStretch {
  /** In order of paths. */
  lines: Uint8Array
  /** Null at the end. */
  next: ComparePlace | null
}

/** Some children of a directory. */
export interface DirectoryListing {
  /** In path order. A directory that no entry names has mode 755 and no time. */
  children: ComparedEntry[]
  /** Where to go on; null at the end. */
  next: string | null
}

/** A stretch of a search: what was found in it. */
export interface SearchedStretch {
  /** In order of paths. */
  found: ComparedEntry[]
  /** The ordinal to go on from; null at the end. */
  next: number | null
}

export interface TreeMetadata {
  /** At most `limit` children of `directory` ('' is the root), from `from` (a `next` of the page before) on. Undefined
   *  when there is no such directory. Costs in proportion to what it lists, not to what lies below.
   *  Errors: artifact_not_found, artifact_expired, artifact_deleted. */
  listDirectory(
    artifactId: number,
    place: { directory: string; limit: number; from: string | null },
  ): Promise<DirectoryListing | undefined>
  /** Undefined past the end. Errors: artifact_not_found, artifact_expired, artifact_deleted. */
  readTreePage(artifactId: number, page: number): Promise<TreePage | undefined>
  /** Times of entries by the pages of the manifest, from `page` on, some hundreds of them; null for pages without any. None
   *  past the end. Errors: artifact_not_found, artifact_expired, artifact_deleted. */
  readTreeTimes(artifactId: number, page: number): Promise<(Uint8Array | null)[]>
  /** What makes the tree of `headId` of that of `baseId`, as lines (core/manifest-changes.ts), a stretch at a time. An entry
   *  may be named that did not change. Errors: artifact_not_found, artifact_expired, artifact_deleted. */
  readTreeChanges(baseId: number, headId: number, from: ComparePlace): Promise<ChangedStretch>
  /** Entries of two artifacts that differ in kind, content, link target or mode, a stretch at a time.
   *  Errors: artifact_not_found, artifact_expired, artifact_deleted. */
  readDifferences(baseId: number, headId: number, from: ComparePlace): Promise<ComparedStretch>
  /** Entries from an ordinal on whose paths match one of `globs` (core/path-glob.ts), at most `limit` of them. Looks at what
   *  takes about two milliseconds, and at one entry at least.
   *  Errors: artifact_not_found, artifact_expired, artifact_deleted, those of `compilePathGlobs`. */
  searchTree(
    artifactId: number,
    globs: readonly string[],
    from: { ordinal: number; limit: number },
  ): Promise<SearchedStretch>
}
