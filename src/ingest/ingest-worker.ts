/** A thread that runs ingest jobs, with its own connection to the metadata and its own pack store. */
import { parentPort, workerData } from 'node:worker_threads'
import { StoreError, encodeError } from '../core/errors.ts'
import { openSqliteMetadata } from '../metadata/sqlite.ts'
import { openPackStore } from '../packs/open-pack-store.ts'
import { type ArrivingBody, openArrivingBody } from './arriving-body.ts'
import { ingest } from './ingest.ts'
import { negotiate } from './negotiated/negotiate.ts'
import type { FromWorker, IngestWorkerData, PoolJob, ToWorker } from './pool-messages.ts'
import type { IngestPorts } from './session.ts'

const port = parentPort
if (port === null) throw new Error('the ingest worker is started by the ingest pool')
const data = workerData as IngestWorkerData
const running = new Map<number, { controller: AbortController; body: ArrivingBody | undefined }>()

function say(message: FromWorker): void {
  port!.postMessage(message)
}

async function run(ports: IngestPorts, id: number, job: PoolJob, hasBody: boolean): Promise<void> {
  const body = hasBody
    ? openArrivingBody((bytes) => {
        say({ type: 'credit', id, bytes })
      })
    : undefined
  const controller = new AbortController()
  running.set(id, { controller, body })
  try {
    const source = { body: body?.stream, signal: controller.signal }
    const answer =
      'step' in job ? await negotiate(ports, job, source) : await ingest(ports, job, source)
    say({ type: 'done', id, answer })
  } catch (error) {
    const failure =
      error instanceof StoreError
        ? encodeError(error)
        : { message: String(error), stack: error instanceof Error ? error.stack : undefined }
    say({ type: 'failed', id, error: failure })
  } finally {
    running.delete(id)
  }
}

const metadata = openSqliteMetadata({
  path: data.databasePath,
  sharedLog: data.sharedLog,
  quota: data.settings.quota,
})
const packs = await openPackStore(data.packPlace)
const ports: IngestPorts = { metadata, packs, settings: data.settings, now: () => Date.now() }

port.on('message', (message: ToWorker) => {
  switch (message.type) {
    case 'run':
      void run(ports, message.id, message.job, message.hasBody)
      return
    case 'chunk':
      running
        .get(message.id)
        ?.body?.take(
          Buffer.from(message.bytes.buffer, message.bytes.byteOffset, message.bytes.byteLength),
        )
      return
    case 'end':
      running.get(message.id)?.body?.end()
      return
    case 'cancel': {
      const job = running.get(message.id)
      const error = new Error(message.reason)
      job?.controller.abort(error)
      job?.body?.fail(error)
      return
    }
    case 'close':
      void Promise.all([metadata.close(), packs.close()]).then(() => {
        port.close()
      })
  }
})
say({ type: 'ready' })
