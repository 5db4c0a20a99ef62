/** The threads of file pools. One that has no task when its pool is closed serves the next pool,
 *  because starting one takes 0.05 s of processor time. It ends when no pool takes it for a while,
 *  since it keeps buffers as large as the parts it has seen. */
import { startThread } from '../../program-files.ts'
import { createThreadClient, type ThreadClient } from '../../worker-thread.ts'
import type { FileAnswers, FileTask } from './file-tasks.ts'

/** `trouble` carries a FileError, whose class would be lost between threads. */
export type FileReply =
  | FileAnswers[keyof FileAnswers]
  | { trouble: { path: string; reason: string } }

export interface FileThread {
  client: ThreadClient<FileTask, FileReply>
  /** Tasks handed to the thread and not yet finished. */
  tasks: number
  /** Set by the pool that has the thread; called when it ends unexpectedly. */
  onDeath: (error: Error) => void
}

/** A task holds the sizes of one file's parts: a million at most, those of 64 GiB that repeat. */
const heapMiB = { old: 256, young: 3 }
export const idleMs = 10_000

/** Threads that have started, live, and belong to no pool. */
const idle: FileThread[] = []
/** Those that have started and live. */
const ready = new WeakSet<FileThread>()
let idleEnd: NodeJS.Timeout | undefined

/** Returns a thread without tasks for a pool, starting it where none is idle. */
export function takeFileThread(onDeath: FileThread['onDeath']): FileThread {
  const kept = idle.pop()
  if (kept !== undefined) return Object.assign(kept, { onDeath })
  const client: FileThread['client'] = createThreadClient(
    startThread('client/files/file-worker.ts', { heapMiB }),
    'file',
  )
  const thread: FileThread = { client, tasks: 0, onDeath }
  client.opened.then(
    () => ready.add(thread),
    () => {},
  )
  void client.died.then((error) => {
    ready.delete(thread)
    if (idle.includes(thread)) idle.splice(idle.indexOf(thread), 1)
    thread.onDeath(error)
  })
  return thread
}

/** Takes a thread back from a pool. Its tasks, if it has any, end with it. */
export async function leaveFileThread(thread: FileThread): Promise<void> {
  thread.onDeath = () => {}
  // Until it has started it must not be terminated (`prepareCodec`).
  await thread.client.opened.catch(() => {})
  if (thread.tasks > 0 || !ready.has(thread)) {
    await thread.client.terminate()
    return
  }
  idle.push(thread)
  clearTimeout(idleEnd)
  idleEnd = setTimeout(() => void endIdleThreads(), idleMs).unref()
}

export async function endIdleThreads(): Promise<void> {
  clearTimeout(idleEnd)
  await Promise.all(idle.splice(0).map(async ({ client }) => await client.terminate()))
}
