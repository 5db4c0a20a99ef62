/** Sends units of blobs over a few concurrent connections. A request body is produced while it
 *  is sent, so memory is bounded by the tasks in flight. After a failure, the caller ends the other
 *  requests by the session's signal, finds out what is still missing and sends it again. */
import type { FilePool } from '../files/file-pool.ts'
import type { EncodePiece } from '../files/file-tasks.ts'
import { connectionsFor } from '../transport/connections.ts'
import { createUnitQueue, type UnitQueue } from './unit-queue.ts'
import { contentBytesOf, type SendUnit } from './upload-plan.ts'
import { sendPack, type UploadSession } from './upload-session.ts'

/** A request is ended before it would exceed this size: the first one early, so that the server
 *  soon has work, later ones when they fill a pack of the server. A large file is never split
 *  over requests; one that exceeds the limit gets a request of its own. */
const firstRequestBytes = 8 * 1024 * 1024
const requestBytesMax = 56 * 1024 * 1024
/** Encode tasks of one connection that are running or waiting to be sent. */
const tasksAhead = 3

/** Resolves when the server has stored all units durably; `onSent` is called with sent content
 *  bytes. Errors: NetworkError, FileError, and the server's. */
export async function sendUnits(
  session: UploadSession,
  pool: FilePool,
  units: AsyncIterable<SendUnit>,
  onSent: (contentBytes: number) => void,
): Promise<void> {
  const sending = { session, pool, onSent }
  const queue = createUnitQueue(units, session.signal)
  const senders = Array.from({ length: connectionsFor(pool.threads) }, async () => {
    await sendAll(sending, queue)
  })
  await Promise.all(senders)
}

interface Sending {
  session: UploadSession
  pool: FilePool
  onSent(contentBytes: number): void
}

async function sendAll(sending: Sending, queue: UnitQueue): Promise<void> {
  let requestBytes = firstRequestBytes
  for (let unit = await queue.take(); unit !== undefined; unit = await queue.take()) {
    const first = unit
    await sendPack(sending.session, () => encodeUnits(sending, first, queue, requestBytes))
    requestBytes = requestBytesMax
  }
}

async function* encodeUnits(
  { pool, onSent }: Sending,
  first: SendUnit,
  queue: UnitQueue,
  bytesMax: number,
): AsyncGenerator<Uint8Array> {
  const ahead: Promise<{ bytes: Uint8Array; contentBytes: number }>[] = []
  let sentBytes = 0
  /** Content bytes of tasks that are running or waiting to be sent. */
  let aheadBytes = 0
  // Ends for good when this request takes no more.
  const parts = partsOf(first, queue, () => bytesMax - sentBytes - aheadBytes)
  for (;;) {
    while (ahead.length < tasksAhead) {
      const { value: part, done } = await parts.next()
      if (done === true) break
      if (part instanceof Uint8Array) {
        ahead.push(Promise.resolve({ bytes: part, contentBytes: 0 }))
        continue
      }
      const contentBytes = contentBytesOf(part)
      const task = pool
        .run({ kind: 'encode', pieces: part })
        .then(({ records }) => ({ bytes: records, contentBytes }))
      // A rejection is handled when its turn comes.
      task.catch(() => {})
      ahead.push(task)
      aheadBytes += contentBytes
    }
    const next = ahead.shift()
    if (next === undefined) return
    const { bytes, contentBytes } = await next
    aheadBytes -= contentBytes
    sentBytes += bytes.length
    yield bytes
    onSent(contentBytes)
  }
}

/** Yields the tasks of `first`, and of further units while there is `room`; after the tasks of a
 *  unit the record that ends it, if any. */
async function* partsOf(
  first: SendUnit,
  queue: UnitQueue,
  room: () => number,
): AsyncGenerator<EncodePiece[] | Buffer, void, undefined> {
  for (let unit: SendUnit | undefined = first; unit !== undefined;) {
    yield* unit.tasks
    if (unit.end !== null) yield unit.end
    const left = room()
    unit = left > 0 ? await queue.takeSoon(left) : undefined
  }
}
