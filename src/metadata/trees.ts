/** Port: whole trees as lists, the part of `Metadata` that reads what entries are and not where
 *  their bytes lie. The rules of metadata.ts hold here too. */
import type { Entry } from '../core/manifest/entry.ts'

/** A page of a manifest in its wire form. */
export interface TreePage {
  /** Canonical lines (core/manifest/manifest.ts). */
  lines: Uint8Array
  /** As `encodeTimes` makes them; null where the upload had none. */
  times: Uint8Array | null
}

/** An entry of one of two compared trees. */
export interface ComparedEntry {
  entry: Entry
  /** Seconds since the epoch; null where the upload had none. */
  modifiedAt: number | null
}

/** The entries of both trees at one path; at least one of them exists. */
export type EntryPair =
  | { before: ComparedEntry; after: ComparedEntry }
  | { before: ComparedEntry; after: null }
  | { before: null; after: ComparedEntry }

/** Cursor of a comparison: the ordinal of the next entry in each tree. */
export interface ComparePlace {
  base: number
  head: number
}

/** A step of a comparison: some stored pages of each tree. */
export interface ComparedStretch {
  /** In path order. */
  differing: EntryPair[]
  unchanged: number
  /** Null at the end. */
  next: ComparePlace | null
}

/** The same in the form of lines. */
export interface ChangedStretch {
  /** In path order. */
  lines: Uint8Array
  /** Null at the end. */
  next: ComparePlace | null
}

/** Some children of a directory. */
export interface DirectoryListing {
  /** In path order. A directory without an entry of its own has mode 755 and no time. */
  children: ComparedEntry[]
  /** Where to continue; null at the end. */
  next: string | null
}

/** A file of a directory, or a directory in it with all files below. */
export interface MeasuredChild {
  kind: 'file' | 'directory'
  path: string
  files: number
  sizeBytes: number
}

/** A step of measuring a directory: one stored page. */
export interface MeasuredStretch {
  /** In path order. The last one may continue as the first one of the next step. */
  children: MeasuredChild[]
  /** The page to continue from; null at the end. */
  next: number | null
}

/** The matches of one step of a search. */
export interface SearchedStretch {
  /** In path order. */
  found: ComparedEntry[]
  /** The ordinal to continue from; null at the end. */
  next: number | null
}

export interface TreeMetadata {
  /** At most `limit` children of `directory` ('' is the root), starting at `from` (the `next` of
   *  the previous page). Undefined when there is no such directory. The cost is proportional to
   *  what is listed, not to what lies below.
   *  Errors: artifact_not_found, artifact_expired, artifact_deleted. */
  listDirectory(
    artifactId: number,
    place: { directory: string; limit: number; from: string | null },
  ): Promise<DirectoryListing | undefined>
  /** Sums the sizes of the files below each child of `directory` ('' is the root), from a page on
   *  (null: the first one). What has no files is left out.
   *  Errors: artifact_not_found, artifact_expired, artifact_deleted. */
  measureDirectory(
    artifactId: number,
    directory: string,
    page: number | null,
  ): Promise<MeasuredStretch>
  /** Undefined past the end. Errors: artifact_not_found, artifact_expired, artifact_deleted. */
  readTreePage(artifactId: number, page: number): Promise<TreePage | undefined>
  /** Times of entries by manifest page, from `page` on, for some hundreds of pages; null for
   *  pages without any. Empty past the end.
   *  Errors: artifact_not_found, artifact_expired, artifact_deleted. */
  readTreeTimes(artifactId: number, page: number): Promise<(Uint8Array | null)[]>
  /** What turns the tree of `baseId` into that of `headId`, as lines
   *  (core/manifest/manifest-changes.ts), one step at a time. May name entries that did not
   *  change. Errors: artifact_not_found, artifact_expired, artifact_deleted. */
  readTreeChanges(baseId: number, headId: number, from: ComparePlace): Promise<ChangedStretch>
  /** Entries of two artifacts that differ in kind, content, link target or mode, one step at a
   *  time. A step has at most some hundreds, and those of one more page of each side.
   *  Errors: artifact_not_found, artifact_expired, artifact_deleted. */
  readDifferences(baseId: number, headId: number, from: ComparePlace): Promise<ComparedStretch>
  /** Entries from an ordinal on whose paths match one of `globs` (core/glob/path-glob.ts), at most
   *  `limit`. Examines entries for about two milliseconds, and at least one entry.
   *  Errors: artifact_not_found, artifact_expired, artifact_deleted, those of
   *  `compilePathGlobs`. */
  searchTree(
    artifactId: number,
    globs: readonly string[],
    from: { ordinal: number; limit: number },
  ): Promise<SearchedStretch>
}
