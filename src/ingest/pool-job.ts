/** What the ingest pool and its threads say to each other. */
import type { PackPlace } from '../packs/open-pack-store.ts'
import type { IngestJob } from './job.ts'
import type { NegotiationAnswer, NegotiationJob } from './negotiated/job.ts'
import type { Published } from './publish.ts'
import type { IngestSettings } from './session.ts'

export interface IngestWorkerData {
  databasePath: string
  packPlace: PackPlace
  /** Whose free bytes uploads may not take beyond the minimum. */
  disk: { directory: string; minFreeBytes: number }
  /** Of the threads that share the database. */
  sharedLog: SharedArrayBuffer
  settings: IngestSettings
}

/** A whole upload, or a step of a negotiated one; each is of a project. */
export type PoolJob = IngestJob | (NegotiationJob & { projectId: number })
export type PoolAnswer = Published | NegotiationAnswer

/** A body follows (`body-channel.ts`). */
export interface PoolRequest {
  job: PoolJob
  hasBody: boolean
}
