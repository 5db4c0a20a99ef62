/** Long maintenance that reads and hashes much runs in a thread of its own, so that neither the event loop nor the thread
 *  of the metadata waits for it. One thread per task; it ends with it. */
import { type ErrorMessage, decodeError } from '../core/errors.ts'
import type { PackPlace } from '../packs/open-pack-store.ts'
import { startThread } from '../program-files.ts'
import type { BackupOptions } from './backup.ts'
import type { BackupReport } from './backup-packs.ts'
import type { ScrubFinding, ScrubOptions, ScrubReport } from './scrub.ts'

/** What crosses to the thread. */
type Plain<Options> = Omit<Options, 'onProgress' | 'onFinding' | 'fileSystem'>

export type BackgroundTask =
  | { kind: 'scrub'; options: Plain<ScrubOptions> }
  | { kind: 'backup'; options: Plain<BackupOptions> }

export interface BackgroundData {
  task: BackgroundTask
  databasePath: string
  packPlace: PackPlace
  /** Of the threads that share the database. */
  sharedLog?: SharedArrayBuffer
}

export type FromBackground =
  | { type: 'progress'; progress: object }
  | { type: 'finding'; finding: ScrubFinding }
  | { type: 'done'; outcome: object }
  | {
      type: 'failed'
      error: ErrorMessage | { name: string; message: string; stack: string | undefined }
    }

export interface BackgroundOptions {
  onProgress(progress: object): void
  onFinding(finding: ScrubFinding): void
  /** Ends the task between two steps. */
  signal: AbortSignal
}

/** What the thread holds besides SQLite's cache: a read of 4 MiB, and what it inflates to. */
const heapMiB = 128

/** Runs a task to its end and answers its report. Errors: those of the task. */
export async function runInBackground(
  data: BackgroundData & { task: { kind: 'scrub' } },
  options: BackgroundOptions,
): Promise<ScrubReport>
export async function runInBackground(
  data: BackgroundData & { task: { kind: 'backup' } },
  options: BackgroundOptions,
): Promise<BackupReport>
export async function runInBackground(
  data: BackgroundData,
  { onProgress, onFinding, signal }: BackgroundOptions,
): Promise<object> {
  signal.throwIfAborted()
  const worker = startThread('lifecycle/background-worker.ts', {
    name: data.task.kind,
    workerData: data,
    resourceLimits: { maxOldGenerationSizeMb: heapMiB },
  })
  const stop = (): void => {
    worker.postMessage('stop')
  }
  signal.addEventListener('abort', stop, { once: true })
  try {
    return await new Promise<object>((resolve, reject) => {
      let outcome: object | undefined
      worker.on('message', (message: FromBackground) => {
        if (message.type === 'progress') onProgress(message.progress)
        else if (message.type === 'finding') onFinding(message.finding)
        else if (message.type === 'done') ({ outcome } = message)
        else reject(errorOf(message.error))
      })
      worker.on('error', reject)
      // Not before: the thread has closed the store then.
      worker.on('exit', (code) => {
        if (outcome !== undefined) resolve(outcome)
        else reject(new Error(`the ${data.task.kind} thread ended with ${code}`))
      })
    })
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

function errorOf(error: Extract<FromBackground, { type: 'failed' }>['error']): Error {
  if ('code' in error) return decodeError(error)
  const rebuilt = new Error(error.message)
  rebuilt.name = error.name
  if (error.stack !== undefined) rebuilt.stack = error.stack
  return rebuilt
}
