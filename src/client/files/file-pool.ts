/** The worker threads that work on files. Tasks wait in one queue; a worker is handed its next
 *  task while it is busy, so that it never waits for the main thread. Another worker is started
 *  only when tasks wait or are expected: one worker can handle a small amount of work, and
 *  starting one takes 0.1 s of processor time. */
import { availableParallelism } from 'node:os'
import { startThread } from '../../program-files.ts'
import { createThreadClient, type ThreadClient } from '../../worker-thread.ts'
import { FileError } from './file-error.ts'
import type { FileAnswers, FileTask } from './file-tasks.ts'

export interface FilePool {
  /** Upper bound on worker threads. */
  readonly threads: number
  /** Errors: FileError, and the codes of the task; after a worker has died, the error that
   *  killed it. */
  run<Task extends FileTask>(
    task: Task,
    transfer?: ArrayBuffer[],
  ): Promise<FileAnswers[Task['kind']]>
  /** Starts the workers needed for `tasks` tasks that are about to come. */
  expect(tasks: number): void
  /** Stops the workers; waiting tasks fail. */
  close(): Promise<void>
}

/** `trouble` carries a FileError, whose class would be lost between threads. */
export type FileReply =
  | FileAnswers[keyof FileAnswers]
  | { trouble: { path: string; reason: string } }

interface Waiting {
  task: FileTask
  transfer: ArrayBuffer[]
  resolve(answer: Promise<FileReply>): void
  reject(error: Error): void
}

interface Thread {
  client: ThreadClient<FileTask, FileReply>
  /** Tasks handed to the worker and not yet finished. */
  tasks: number
}

/** A task holds the sizes of one file's parts: a million at most, those of 64 GiB that repeat. */
const heapMiB = { old: 256, young: 3 }
export const tasksPerThread = 2
const threadsMax = 64

/** Opens a pool of up to `jobs` workers (one per processor when null). */
export function openFilePool(jobs: number | null): FilePool {
  const waiting: Waiting[] = []
  /** Set once no more tasks are accepted; every later task fails with it. */
  let ended: Error | undefined

  /** Fails all waiting tasks: a dead worker is not replaced, so they could wait forever. */
  const end = (error: Error): void => {
    ended ??= error
    for (const { reject } of waiting.splice(0)) reject(error)
  }
  const start = (): Thread => {
    const worker = startThread('client/files/file-worker.ts', { heapMiB })
    const client: Thread['client'] = createThreadClient(worker, 'file')
    void client.died.then(end)
    const thread = { client, tasks: 0 }
    threads.push(thread)
    return thread
  }
  const give = (thread: Thread): void => {
    while (thread.tasks < tasksPerThread) {
      const next = waiting.shift()
      if (next === undefined) return
      const { task, transfer, resolve } = next
      thread.tasks += 1
      const answer = thread.client.request(task, { transfer }).finally(() => {
        thread.tasks -= 1
        give(thread)
      })
      resolve(answer)
    }
  }

  const count = Math.min(threadsMax, Math.max(1, jobs ?? availableParallelism()))
  const threads: Thread[] = []
  // Started at once, so that it is ready when the first files are known.
  start()

  return {
    threads: count,
    expect: (tasks) => {
      while (ended === undefined && threads.length < Math.min(count, tasks / tasksPerThread))
        start()
    },
    run: async <Task extends FileTask>(task: Task, transfer: ArrayBuffer[] = []) => {
      if (ended !== undefined) throw ended
      const answer = new Promise<FileReply>((resolve, reject) => {
        waiting.push({ task, transfer, resolve, reject })
      })
      give(threads.reduce((best, each) => (each.tasks < best.tasks ? each : best)))
      if (waiting.length > 0 && threads.length < count) give(start())
      const reply = await answer
      if ('trouble' in reply) throw new FileError(reply.trouble.path, reply.trouble.reason)
      return reply as FileAnswers[Task['kind']]
    },
    close: async () => {
      end(new Error('the file pool is closed'))
      await Promise.all(threads.map(async ({ client }) => await client.terminate()))
    },
  }
}
