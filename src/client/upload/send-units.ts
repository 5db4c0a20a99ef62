/** Sends units of blobs over a few concurrent connections. A request body is produced while it
 *  is sent, so memory is bounded by the tasks in flight. After a failure, the caller finds out
 *  what is still missing and sends it again. */
import type { FilePool } from '../files/file-pool.ts'
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
  const stop = new AbortController()
  const signal = AbortSignal.any([stop.signal, session.signal])
  const sending = { session: { ...session, signal }, pool, onSent }
  const queue = createUnitQueue(units, signal)
  const senders = Array.from({ length: connectionsFor(pool.threads) }, async () => {
    // One failure stops the others: the caller starts over with what is missing then.
    await sendAll(sending, queue).catch((error: unknown) => stop.abort(error))
  })
  await Promise.all(senders)
  session.signal.throwIfAborted()
  stop.signal.throwIfAborted()
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
    // A local failure, such as a file that changed, is taken from here, because the request reports
    // it as a network error.
    const fault: { error?: unknown } = {}
    try {
      await sendPack(sending.session, () =>
        encodeUnits(sending, first, queue, { requestBytes, fault }),
      )
    } catch (error) {
      throw fault.error ?? error
    }
    requestBytes = requestBytesMax
  }
}

async function* encodeUnits(
  { pool, onSent }: Sending,
  first: SendUnit,
  queue: UnitQueue,
  { requestBytes, fault }: { requestBytes: number; fault: { error?: unknown } },
): AsyncGenerator<Uint8Array> {
  const ahead: Promise<{ bytes: Uint8Array; contentBytes: number }>[] = []
  let pending: { unit: SendUnit; next: number } | undefined = { unit: first, next: 0 }
  let isOver = false
  let sentBytes = 0
  /** Content bytes of tasks that are running or waiting to be sent. */
  let aheadBytes = 0
  /** Starts the next task; returns false when this request takes no more. */
  const begin = async (): Promise<boolean> => {
    if (pending === undefined) {
      const room = requestBytes - sentBytes - aheadBytes
      const unit = isOver || room <= 0 ? undefined : await queue.takeSoon(room)
      if (unit === undefined) {
        isOver = true
        return false
      }
      pending = { unit, next: 0 }
    }
    const { unit, next } = pending
    const pieces = unit.tasks[next]
    if (pieces === undefined) {
      if (unit.end !== null) ahead.push(Promise.resolve({ bytes: unit.end, contentBytes: 0 }))
      pending = undefined
      return true
    }
    pending.next += 1
    const contentBytes = contentBytesOf(pieces)
    const task = pool
      .run({ kind: 'encode', pieces })
      .then(({ records }) => ({ bytes: records, contentBytes }))
    // A rejection is handled when its turn comes.
    task.catch(() => {})
    ahead.push(task)
    aheadBytes += contentBytes
    return true
  }
  try {
    for (;;) {
      while (ahead.length < tasksAhead && (await begin()));
      const next = ahead.shift()
      if (next === undefined) return
      const { bytes, contentBytes } = await next
      aheadBytes -= contentBytes
      sentBytes += bytes.length
      yield bytes
      onSent(contentBytes)
    }
  } catch (error) {
    fault.error = error
    throw error
  }
}
