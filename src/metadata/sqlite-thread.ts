/** The thread behind `openMetadataWorker`: opens the database and answers calls by the name of their method. */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { asError, StoreError, encodeError } from '../core/errors.ts'
import type { Metadata } from './metadata.ts'
import { openSqliteMetadata, type StoreOptions } from './sqlite.ts'
import {
  type MetadataAnswer,
  type MetadataCall,
  type OpeningMessage,
  readyMessage,
} from './sqlite-worker.ts'

if (!parentPort) throw new Error('this file is the body of a worker thread')
open(parentPort)

/** An expected failure is told, since its class is lost with an error that ends the thread. */
function open(port: MessagePort): void {
  try {
    let calls = 0
    port.on('message', () => {
      calls += 1
    })
    serve(port, openSqliteMetadata({ ...(workerData as StoreOptions), callCount: () => calls }))
  } catch (error) {
    if (!(error instanceof StoreError)) throw error
    port.postMessage({ failed: encodeError(error) } satisfies OpeningMessage)
  }
}

function serve(port: MessagePort, metadata: Metadata): void {
  const running = new Set<Promise<void>>()
  const run = async (call: MetadataCall): Promise<void> => {
    // The database closes once every call that came before has its answer.
    if (call.method === 'close') await Promise.all(running)
    const answered = await answer(metadata, call)
    port.postMessage(answered, 'value' in answered ? ownBuffers(answered.value) : [])
    // Nothing keeps the thread alive then, and it ends.
    if (call.method === 'close') port.close()
  }
  port.on('message', (call: MetadataCall) => {
    const done = run(call)
    running.add(done)
    void done.finally(() => running.delete(done))
  })
  port.postMessage(readyMessage)
}

/** Buffers of a page that nothing else uses, which are handed over instead of copied: large strings and copies become
 *  garbage of the thread that answers requests. */
function ownBuffers(value: unknown): ArrayBuffer[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return []
  const fields: unknown[] = value instanceof Uint8Array ? [value] : Object.values(value)
  return fields.flatMap((field) =>
    field instanceof Uint8Array && field.byteLength === field.buffer.byteLength
      ? [field.buffer as ArrayBuffer]
      : [],
  )
}

async function answer(
  metadata: Metadata,
  { id, method, args }: MetadataCall,
): Promise<MetadataAnswer> {
  const run = metadata[method] as (...args: unknown[]) => Promise<unknown>
  try {
    return { id, value: await run(...args) }
  } catch (error) {
    if (error instanceof StoreError) return { id, failed: encodeError(error) }
    const { name, message, stack } = asError(error)
    return { id, broken: { name, message, stack } }
  }
}
