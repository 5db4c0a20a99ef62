/** A thread that runs ingest jobs. */
import { workerData } from 'node:worker_threads'
import { answerRequests } from '../../worker-thread.ts'
import { openIngestJobs } from './ingest-jobs.ts'
import type { IngestWorkerData } from './pool-job.ts'

await answerRequests(async () => await openIngestJobs(workerData as IngestWorkerData))
