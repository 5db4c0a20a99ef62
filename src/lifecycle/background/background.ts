/** Runs long maintenance that reads and hashes much in a thread of its own, so that it blocks
 *  neither the event loop nor the metadata thread. Each task has its own thread, which ends with
 *  the task. */
import type { IngestSettings } from '../../ingest/session.ts'
import type { PackPlace } from '../../packs/open-pack-store.ts'
import { startThread } from '../../program-files.ts'
import { createThreadClient } from '../../worker-thread.ts'
import type { BackupOptions } from '../backup/backup.ts'
import type { Collection, PlanOptions } from '../collect/collect.ts'
import type { SecretsOptions } from '../secret-scan.ts'
import type { RebuildOptions } from '../recovery/rebuild.ts'
import type { ScrubFinding, ScrubOptions } from '../scrub/scrub.ts'

/** The options that are sent to the thread. */
type Plain<Options> = Omit<Options, 'onProgress' | 'onFinding' | 'fileSystem' | 'signal'>

export type BackgroundTask =
  | { kind: 'scrub'; options: Plain<ScrubOptions> }
  | { kind: 'backup'; options: Plain<BackupOptions> }
  | { kind: 'secrets'; options: SecretsOptions }
  | { kind: 'import'; options: Plain<RebuildOptions> & { settings: IngestSettings } }
  | { kind: 'plan'; options: PlanOptions & { now: number } }

export interface BackgroundPlaces {
  databasePath: string
  packPlace: PackPlace
  /** Shared by the threads that use the database; undefined: no other one does. */
  sharedLog?: SharedArrayBuffer
}

export type BackgroundNotice = { progress: object } | { finding: ScrubFinding }

export interface BackgroundOptions {
  onProgress(progress: object): void
  onFinding(finding: ScrubFinding): void
  /** Aborts the task between two steps. */
  signal: AbortSignal
}

/** Heap of the thread, outside SQLite's cache: a read of 4 MiB, and what it inflates to. */
const heapMiB = { old: 128, young: 6 }

/** Runs a task to its end and returns its report. Errors: those of the task. */
export async function runInBackground(
  { task, ...places }: BackgroundPlaces & { task: BackgroundTask },
  { onProgress, onFinding, signal }: BackgroundOptions,
): Promise<object> {
  signal.throwIfAborted()
  const worker = startThread('lifecycle/background/background-worker.ts', {
    name: task.kind,
    workerData: places satisfies BackgroundPlaces,
    heapMiB,
  })
  const thread = createThreadClient<BackgroundTask, object, BackgroundNotice>(worker, task.kind)
  const onNotice = (notice: BackgroundNotice): void => {
    if ('finding' in notice) onFinding(notice.finding)
    else onProgress(notice.progress)
  }
  try {
    return await thread.request(task, { signal, onNotice })
  } finally {
    // Resolves once the thread has closed the store.
    await thread.close()
  }
}

/** Returns a function that plans a garbage collection in a thread of its own, since that can take
 *  minutes of a processor. Errors: the abort reason of `signal`. */
export function createPlanning(
  places: BackgroundPlaces,
): (options: PlanOptions & { now: number }, signal: AbortSignal) => Promise<Collection> {
  return async (options, signal) => {
    const task = { kind: 'plan', options } as const
    const nobody = { onProgress: () => {}, onFinding: () => {} }
    return (await runInBackground({ ...places, task }, { ...nobody, signal })) as Collection
  }
}
