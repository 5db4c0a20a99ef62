/** The threads behind `sqlite-worker.ts`: open the database and serve calls by method name. */
import { workerData } from 'node:worker_threads'
import { answerRequests } from '../../../worker-thread.ts'
import { joinSharedLog } from '../log/shared-log.ts'
import { openSqliteMetadata, type StoreOptions } from '../sqlite.ts'
import type { MetadataCall } from './sqlite-worker.ts'

await answerRequests<MetadataCall, unknown>(() => {
  let calls = 0
  const options = workerData as StoreOptions
  const log = options.sharedLog && joinSharedLog(options.sharedLog)
  const callCount = (): number => calls + (log?.reads() ?? 0)
  const metadata = openSqliteMetadata({ ...options, callCount })
  return {
    answer: async ({ method, args, isStoppable }, { stop }) => {
      if (options.isReader) log?.noteRead()
      else calls += 1
      const run = metadata[method] as (...args: unknown[]) => Promise<unknown>
      return await run(...args, ...(isStoppable ? [stop.signal] : []))
    },
    close: metadata.close,
  }
})
