/** What a download tells of itself when it is done. */
import type { Downloading } from './downloading.ts'

export interface DownloadResult {
  /** Of the artifact, as far as they were asked for: entries of all kinds, files, and their content. */
  entries: number
  files: number
  logicalBytes: number
  /** Files that were written (or would be), and stored bytes that were received for them. */
  writtenFiles: number
  fetchedBytes: number
  /** Paths that were deleted (or would be), a directory with all that it holds as one. */
  deletedPaths: number
  /** Of a dry run: the paths. */
  planned: { write: string[]; delete: readonly string[] } | null
}

export function doneResult(
  { wanted, progress }: Downloading,
  missing: readonly number[],
  deletedPaths: number,
): DownloadResult {
  return {
    entries: wanted.length,
    files: progress.files,
    logicalBytes: progress.totalBytes,
    writtenFiles: missing.length,
    fetchedBytes: progress.fetchedBytes,
    deletedPaths,
    planned: null,
  }
}

/** Of a dry run, which fetches nothing. */
export function plannedResult(
  downloading: Downloading,
  missing: readonly number[],
  deletes: boolean,
): DownloadResult {
  const { tree, destination } = downloading
  const strangers = deletes ? destination.strangers : []
  return {
    ...doneResult(downloading, missing, strangers.length),
    planned: { write: missing.map((ordinal) => tree.path(ordinal)), delete: strangers },
  }
}
