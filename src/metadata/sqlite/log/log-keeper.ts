/** Keeps the write-ahead log short from a thread of its own, so that no upload or download pays
 *  for a checkpoint. Passes on the pages in it, if asked to. */
import { once } from 'node:events'
import { startThread } from '../../../program-files.ts'
import type { PageCapture } from '../../page-capture.ts'
import { createPageCapture } from './page-capture.ts'
import { joinSharedLog } from './shared-log.ts'

export interface LogKeeperData {
  path: string
  sharedLog: SharedArrayBuffer
}

export interface LogKeeper {
  capture: PageCapture
  /** Copies back the rest of the log and ends the thread, and any capture. Call before the last
   *  connection closes. */
  close(): Promise<void>
}

/** Requires an existing database. `onFailure` is called when the thread dies; from then on,
 *  writers checkpoint now and then. */
export async function startLogKeeper({
  onFailure,
  ...data
}: LogKeeperData & { onFailure(error: Error): void }): Promise<LogKeeper> {
  const worker = startThread('metadata/sqlite/log/log-keeper-thread.ts', {
    name: 'log keeper',
    workerData: data satisfies LogKeeperData,
    heapMiB: { old: 16, young: 2 },
  })
  await once(worker, 'message')
  worker.on('error', onFailure)
  const exited = new Promise<void>((resolve) => {
    worker.once('exit', () => resolve())
  })
  const log = joinSharedLog(data.sharedLog)
  return {
    capture: createPageCapture(log, worker),
    close: async () => {
      log.close()
      await exited
    },
  }
}
