/** The state of a download, shared by its steps. */
import type { Destination } from './destination.ts'
import type { EarlierFiles } from './known-files.ts'
import type { FetchedTree } from './tree-columns.ts'
import type { FilePool } from '../files/file-pool.ts'
import type { ServerAccess } from '../transport/http.ts'

export interface DownloadProgress {
  phase: 'comparing' | 'fetching' | 'placing'
  files: number
  /** Content bytes of all files. */
  totalBytes: number
  /** Content bytes that DEST had or that have been fetched. */
  doneBytes: number
  /** Stored bytes received. */
  fetchedBytes: number
}

/** What is known about the wanted files on disk. */
export interface Findings {
  /** `statColumns` numbers per entry; size is NaN for a file that is not there with the right
   *  content. */
  stats: Float64Array
  /** Permission bits. */
  modes: Uint16Array
  settled: Uint8Array
}

export interface Downloading {
  server: ServerAccess
  pool: FilePool
  artifactId: number
  tree: FetchedTree
  wanted: number[]
  /** Number of symlinks that the download leaves out. */
  skippedSymlinks: number
  destination: Destination
  /** Null when nothing is known of what the server has of the files in DEST. */
  earlier: EarlierFiles | null
  findings: Findings
  progress: DownloadProgress
  signal: AbortSignal
  reportProgress(): void
  /** Reports a failure that is about to be retried. */
  reportRetry(failure: unknown): void
}
