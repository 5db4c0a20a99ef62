/** Messages between the ingest pool and its threads. */
import type { PackPlace } from '../../packs/open-pack-store.ts'
import type { Published } from '../../metadata/metadata.ts'
import type { IngestJob } from '../job.ts'
import type { NegotiationAnswer, NegotiationJob } from '../negotiated/job.ts'
import type { IngestSettings } from '../session.ts'

export interface IngestWorkerData {
  databasePath: string
  packPlace: PackPlace
  dataDir: string
  /** Below this, uploads may not reduce the free space of the disk of `dataDir`. */
  minFreeBytes: number
  /** Shared by all threads that use the database. */
  sharedLog: SharedArrayBuffer
  settings: IngestSettings
}

/** A whole upload, or one step of a negotiated one; each belongs to a project. */
export type PoolJob = IngestJob | (NegotiationJob & { projectId: number })
export type PoolAnswer = Published | NegotiationAnswer

/** `body`: `follows` in messages (`body-channel.ts`), or is a file. */
export interface PoolRequest {
  job: PoolJob
  body: 'none' | 'follows' | { path: string }
}
