/** A download under way, as its steps share it. */
import type { Destination } from './destination.ts'
import type { EarlierFiles } from './known-files.ts'
import type { FetchedTree } from './tree-columns.ts'
import type { FilePool } from '../files/file-pool.ts'
import type { ServerAccess } from '../transport/http.ts'

export interface DownloadProgress {
  phase: 'comparing' | 'fetching' | 'placing'
  files: number
  totalBytes: number
  /** Content bytes that DEST had, or that have been fetched. */
  doneBytes: number
  /** Stored bytes that have been received. */
  fetchedBytes: number
}

/** What is known of the wanted files on this disk. */
export interface Findings {
  /** `statColumns` numbers an entry; size NaN for files that are not there as they should be. */
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
  destination: Destination
  /** Null where the server is not known to have them. */
  earlier: EarlierFiles | null
  findings: Findings
  progress: DownloadProgress
  signal: AbortSignal
  tell(): void
  /** Of what goes wrong and is tried again in a moment. */
  tellRetry(failure: unknown): void
}
