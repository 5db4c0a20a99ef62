/** A thread that runs ingest jobs, with its own connection to the metadata and its own pack store. */
import { workerData } from 'node:worker_threads'
import { openSqliteMetadata } from '../metadata/sqlite.ts'
import { openPackStore } from '../packs/open-pack-store.ts'
import { answerRequests } from '../worker-thread.ts'
import { type BodyChunk, receiveBody } from './body-channel.ts'
import { ingest } from './ingest.ts'
import { negotiate } from './negotiated/negotiate.ts'
import type { IngestWorkerData, PoolAnswer, PoolRequest } from './pool-job.ts'
import type { IngestPorts } from './session.ts'

await answerRequests<PoolRequest, PoolAnswer, number, BodyChunk>(async () => {
  const { databasePath, packPlace, sharedLog, settings } = workerData as IngestWorkerData
  const metadata = openSqliteMetadata({ path: databasePath, sharedLog, quota: settings.quota })
  const packs = await openPackStore(packPlace)
  const ports: IngestPorts = { metadata, packs, settings, now: () => Date.now() }
  return {
    answer: async ({ job, hasBody }, call) => {
      const { signal } = call.stop
      const source = { body: hasBody ? receiveBody(call) : undefined, signal }
      return 'step' in job ? await negotiate(ports, job, source) : await ingest(ports, job, source)
    },
    close: async () => {
      await Promise.all([metadata.close(), packs.close()])
    },
  }
})
