/** The result of a download. */
import type { Downloading } from './downloading.ts'

export interface DownloadResult {
  /** Of the artifact's selected part: entries of all kinds, files, and content bytes. */
  entries: number
  files: number
  logicalBytes: number
  /** Symlinks that `symlinks: 'skip'` left out; they are not among the entries. */
  skippedSymlinks: number
  /** Files written (or to be written by a dry run), and stored bytes received for them. */
  writtenFiles: number
  fetchedBytes: number
  /** Paths deleted (or to be deleted by a dry run); a directory counts as one. */
  deletedPaths: number
  /** The paths, in a dry run; else null. */
  planned: { write: string[]; delete: readonly string[] } | null
}

export function doneResult(
  { wanted, skippedSymlinks, progress }: Downloading,
  missing: readonly number[],
  deletedPaths: number,
): DownloadResult {
  return {
    entries: wanted.length,
    files: progress.files,
    logicalBytes: progress.totalBytes,
    skippedSymlinks,
    writtenFiles: missing.length,
    fetchedBytes: progress.fetchedBytes,
    deletedPaths,
    planned: null,
  }
}

/** The result of a dry run, which fetches nothing. */
export function plannedResult(
  downloading: Downloading,
  missing: readonly number[],
  deletes: boolean,
): DownloadResult {
  const { tree, destination } = downloading
  const extras = deletes ? destination.extras : []
  return {
    ...doneResult(downloading, missing, extras.length),
    planned: { write: missing.map((ordinal) => tree.path(ordinal)), delete: extras },
  }
}
