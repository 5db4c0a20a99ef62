/** One upload in progress: its ports, its leases on blobs, its writer, its entries. */
import type { Digest } from '../core/bytes/digest.ts'
import { limits } from '../core/limits.ts'
import type { Metadata, Quota } from '../metadata/metadata.ts'
import type { PackStore } from '../packs/pack-store.ts'
import { type BlobWriter, createBlobWriter } from './blob-writer.ts'
import { createEntryTable, type EntryTable } from './entry-table.ts'
import type { IngestJob } from './job.ts'
import { type TableMemory, type TableShare, threadTables } from './table-memory.ts'

export interface IngestSettings {
  /** Logical bytes of one artifact. Setting: TROVE_MAX_ARTIFACT. */
  artifactBytesMax: number
  /** Setting: TROVE_MAX_ENTRIES. */
  entriesMax: number
  /** From 0 to 9. */
  compressionLevel: number
  stockZips: 'exact' | 'rebuild'
  /** Settings: TROVE_PROJECT_QUOTA, TROVE_STORE_QUOTA. Absent: no quota. */
  quota?: Quota
}

export interface IngestPorts {
  metadata: Metadata
  packs: PackStore
  settings: IngestSettings
  now(): number
  /** Shared by all jobs of the thread, unless a test passes another. */
  tables?: TableMemory
  /** Named steps at which tests stop or kill the process. */
  checkpoint?: ((name: string) => void | Promise<void>) | undefined
}

export interface IngestSession extends IngestPorts {
  id: string
  job: IngestJob
  writer: BlobWriter
  table: EntryTable
  /** Of memory, for the table. */
  share: TableShare
  signal: AbortSignal | undefined
  /** SHA-256 of the body as sent; null unless the body was staged. */
  bodyDigest: Digest | null
}

/** Opens the session that leases what the upload needs. */
export async function beginSession(
  ports: IngestPorts,
  job: IngestJob,
  signal: AbortSignal | undefined,
): Promise<IngestSession> {
  const id = await ports.metadata.openSession({
    projectId: job.projectId,
    now: ports.now(),
    leaseMs: limits.leaseMs,
  })
  await ports.checkpoint?.('session-opened')
  const writer = createBlobWriter({ ...ports, sessionId: id })
  const share = (ports.tables ?? threadTables).open()
  const table = createEntryTable({ ...ports.settings, share })
  return { ...ports, id, job, writer, table, share, signal, bodyDigest: null }
}

/** Rolls back everything the session stored. */
export async function endSession(session: IngestSession): Promise<void> {
  await session.writer.abort()
  await session.metadata.abortSession(session.id)
}

/** Starts over: rolls back what the session stored, but keeps what is known about the body. */
export async function restartSession(session: IngestSession): Promise<void> {
  await endSession(session)
  session.share.close()
  const { id, writer, table, share } = await beginSession(session, session.job, session.signal)
  Object.assign(session, { id, writer, table, share })
}
