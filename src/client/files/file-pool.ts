/** The worker threads that work on files. Tasks wait in one queue; a worker is handed its next
 *  task while it is busy, so that it never waits for the main thread. Another worker is started
 *  only when tasks wait or are expected: one worker can handle a small amount of work. */
import { availableParallelism } from 'node:os'
import { FileError } from './file-error.ts'
import type { FileAnswers, FileTask } from './file-tasks.ts'
import { type FileReply, type FileThread, leaveFileThread, takeFileThread } from './file-threads.ts'

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
  /** Gives the workers back (file-threads.ts); running and waiting tasks fail. */
  close(): Promise<void>
}

interface Waiting {
  task: FileTask
  transfer: ArrayBuffer[]
  resolve(answer: Promise<FileReply>): void
  reject(error: Error): void
}

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
  const start = (): FileThread => {
    const thread = takeFileThread(end)
    threads.push(thread)
    return thread
  }
  const give = (thread: FileThread): void => {
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
  const threads: FileThread[] = []
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
      await Promise.all(threads.splice(0).map(leaveFileThread))
    },
  }
}
