/** What the pool and its workers say to each other. Bodies flow as chunks against credit, so that neither side holds
 *  more than `bodyCreditBytes` of one. */
import type { ErrorMessage } from '../core/errors.ts'
import type { PackPlace } from '../packs/open-pack-store.ts'
import type { IngestJob } from './job.ts'
import type { NegotiationAnswer, NegotiationJob } from './negotiated/job.ts'
import type { Published } from './publish.ts'
import type { IngestSettings } from './session.ts'

/** Bytes of one body on their way to a worker, at most. */
export const bodyCreditBytes = 2 * 1024 * 1024

export interface IngestWorkerData {
  databasePath: string
  packPlace: PackPlace
  /** Of the threads that share the database. */
  sharedLog: SharedArrayBuffer
  settings: IngestSettings
}

/** A whole upload, or a step of a negotiated one; each is of a project. */
export type PoolJob = IngestJob | (NegotiationJob & { projectId: number })
export type PoolAnswer = Published | NegotiationAnswer

export type ToWorker =
  | { type: 'run'; id: number; job: PoolJob; hasBody: boolean }
  | { type: 'chunk'; id: number; bytes: Uint8Array }
  | { type: 'end'; id: number }
  /** The body failed, or nobody waits any more. */
  | { type: 'cancel'; id: number; reason: string }
  | { type: 'close' }

export type FromWorker =
  | { type: 'ready' }
  | { type: 'credit'; id: number; bytes: number }
  | { type: 'done'; id: number; answer: PoolAnswer }
  | {
      type: 'failed'
      id: number
      error: ErrorMessage | { message: string; stack: string | undefined }
    }
