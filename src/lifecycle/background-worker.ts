/** The thread behind `runInBackground`: does one task with a connection to the metadata and a pack store of its own, and
 *  ends. */
import { parentPort, workerData } from 'node:worker_threads'
import { asError, StoreError, encodeError } from '../core/errors.ts'
import { openSqliteMetadata } from '../metadata/sqlite.ts'
import { openPackStore } from '../packs/open-pack-store.ts'
import { backUp } from './backup.ts'
import type { BackgroundData, BackgroundTask, FromBackground } from './background.ts'
import type { LifecyclePorts } from './ports.ts'
import { scrub } from './scrub.ts'

const port = parentPort
if (port === null) throw new Error('the background worker is started by background.ts')
const { task, databasePath, packPlace, sharedLog } = workerData as BackgroundData

function say(message: FromBackground): void {
  port!.postMessage(message)
}

const metadata = openSqliteMetadata({ path: databasePath, sharedLog })
const packs = await openPackStore(packPlace)
const stop = new AbortController()
port.once('message', () => {
  stop.abort()
})
try {
  say({
    type: 'done',
    outcome: await run({ metadata, packs, now: Date.now, signal: stop.signal }, task),
  })
} catch (error) {
  say({ type: 'failed', error: failureOf(error) })
} finally {
  await packs.close()
  await metadata.close()
  // Nothing keeps the thread alive then.
  port.close()
}

async function run(ports: LifecyclePorts, { kind, options }: BackgroundTask): Promise<object> {
  const onProgress = (progress: object): void => {
    say({ type: 'progress', progress })
  }
  if (kind === 'backup') return await backUp(ports, { ...options, onProgress })
  return await scrub(ports, {
    ...options,
    onProgress,
    onFinding: (finding) => {
      say({ type: 'finding', finding })
    },
  })
}

function failureOf(error: unknown): Extract<FromBackground, { type: 'failed' }>['error'] {
  if (error instanceof StoreError) return encodeError(error)
  const { name, message, stack } = asError(error)
  return { name, message, stack }
}
