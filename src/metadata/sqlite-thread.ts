/** The thread behind `openMetadataWorker`: opens the database and answers calls by the name of their method. */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { StoreError, encodeError } from '../core/errors.ts'
import type { Metadata } from './metadata.ts'
import { openSqliteMetadata, type StoreOptions } from './sqlite.ts'
import { type MetadataAnswer, type MetadataCall, readyMessage } from './sqlite-worker.ts'

if (!parentPort) throw new Error('this file is the body of a worker thread')
serve(parentPort, openSqliteMetadata(workerData as StoreOptions))

function serve(port: MessagePort, metadata: Metadata): void {
  const running = new Set<Promise<void>>()
  const run = async (call: MetadataCall): Promise<void> => {
    // The database closes once every call that came before has its answer.
    if (call.method === 'close') await Promise.all(running)
    port.postMessage(await answer(metadata, call))
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

async function answer(
  metadata: Metadata,
  { id, method, args }: MetadataCall,
): Promise<MetadataAnswer> {
  const run = metadata[method] as (...args: unknown[]) => Promise<unknown>
  try {
    return { id, value: await run(...args) }
  } catch (error) {
    if (error instanceof StoreError) return { id, failed: encodeError(error) }
    const { name, message, stack } = error instanceof Error ? error : new Error(String(error))
    return { id, broken: { name, message, stack } }
  }
}
