/** An upload under way: what its steps share. */
import type { Offer } from '../../api/negotiation-messages.ts'
import type { FilePool } from '../files/file-pool.ts'
import type { HashedTree } from './hashed-tree.ts'
import type { ServerAccess } from '../transport/http.ts'
import { sendBlobs } from './send-blobs.ts'
import type { SourceChanges } from './source-changes.ts'
import type { SendUnit } from './upload-plan.ts'

export interface SendProgress {
  /** Content bytes of files that need not be sent, or have been. */
  doneBytes: number
  totalBytes: number
  /** Bytes of request bodies. */
  sentBytes: number
}

export interface SendTreeOptions {
  level: number
  connections: number
  signal: AbortSignal
  onProgress(progress: SendProgress): void
  /** Told when everything is sent and the server makes the artifact. */
  onFinishing(): void
  /** Told of what goes wrong and is tried again in a moment. */
  onRetry(failure: unknown): void
}

export interface Sending extends SendTreeOptions {
  server: ServerAccess
  pool: FilePool
  tree: HashedTree
  offer: Offer
  /** What the tree is offered by, where the server has its base. */
  changes: SourceChanges | null
  progress: SendProgress
  /** Content bytes that have been sent, again ones too. */
  contentBytes: number
  /** Told, in each try, of content bytes that the server turns out to have. */
  onHeld(bytes: number): void
}

/** Sends units and counts what they brought. Errors: those of `sendBlobs`. */
export async function sendUnits(
  sending: Sending,
  uploadPath: string,
  units: AsyncIterable<SendUnit>,
): Promise<void> {
  const { server, pool, progress, connections, signal } = sending
  await sendBlobs(server, pool, units, {
    uploadPath,
    connections,
    signal,
    onSent: ({ bytes, contentBytes }) => {
      progress.sentBytes += bytes
      sending.contentBytes += contentBytes
      progress.doneBytes += contentBytes
      sending.onProgress(progress)
    },
  })
}
