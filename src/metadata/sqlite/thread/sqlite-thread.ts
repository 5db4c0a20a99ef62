/** The thread behind `openMetadataWorker`: opens the database and serves calls by method name. */
import { workerData } from 'node:worker_threads'
import { answerRequests } from '../../../worker-thread.ts'
import { openSqliteMetadata, type StoreOptions } from '../sqlite.ts'
import type { MetadataCall } from './sqlite-worker.ts'

await answerRequests<MetadataCall, unknown>(() => {
  let calls = 0
  const options = workerData as StoreOptions
  const metadata = openSqliteMetadata({ ...options, callCount: () => calls })
  return {
    answer: async ({ method, args }) => {
      calls += 1
      const run = metadata[method] as (...args: unknown[]) => Promise<unknown>
      return await run(...args)
    },
    close: metadata.close,
  }
})
