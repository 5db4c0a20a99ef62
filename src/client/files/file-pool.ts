/** The threads that work on files. Tasks wait in one line; a thread gets its next one while it is at work, so that it
 *  never waits for the main thread. Another thread begins when tasks wait or are expected: what little there is one can do,
 *  and to begin one takes 0.1 s of a processor. */
import { availableParallelism } from 'node:os'
import { startThread } from '../../program-files.ts'
import { type AskedThread, askThread } from '../../worker-thread.ts'
import { FileError } from './file-error.ts'
import type { FileAnswers, FileTask } from './file-tasks.ts'

export interface FilePool {
  /** How many there may be. */
  readonly threads: number
  /** Errors: FileError, and the codes of the task; once a thread ended of itself, what it ended with. */
  run<Task extends FileTask>(
    task: Task,
    transfer?: ArrayBuffer[],
  ): Promise<FileAnswers[Task['kind']]>
  /** Begins the threads that so many tasks, which are still to come, will need. */
  expect(tasks: number): void
  /** Ends the threads; tasks that wait fail. */
  close(): Promise<void>
}

/** `trouble`: a FileError, which would lose its class between threads. */
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
  asked: AskedThread<FileTask, FileReply>
  /** Tasks that it was given and has not answered. */
  tasks: number
}

/** Buffers live outside of the heap and go with the objects that hold them; a small young generation is collected often,
 *  so dead buffers do not pile up (peak of an upload: 185 against 270 MB). */
const youngMegabytesMax = 3
export const tasksPerThread = 2
const threadsMax = 64

/** Begins up to `jobs` threads (one for each processor when null). */
export function openFilePool(jobs: number | null): FilePool {
  const waiting: Waiting[] = []
  /** Why no more tasks are taken. */
  let ended: Error | undefined

  /** Tasks that wait for a thread would wait for ever, as no other takes the place of one that ended. */
  const end = (error: Error): void => {
    ended ??= error
    for (const { reject } of waiting.splice(0)) reject(error)
  }
  const start = (): Thread => {
    const worker = startThread('client/files/file-worker.ts', {
      resourceLimits: { maxYoungGenerationSizeMb: youngMegabytesMax },
      tracesSource: false,
    })
    const asked: Thread['asked'] = askThread(worker, 'file')
    void asked.died.then(end)
    const thread = { asked, tasks: 0 }
    threads.push(thread)
    return thread
  }
  const give = (thread: Thread): void => {
    while (thread.tasks < tasksPerThread) {
      const next = waiting.shift()
      if (next === undefined) return
      const { task, transfer, resolve } = next
      thread.tasks += 1
      const answer = thread.asked.ask(task, { transfer }).finally(() => {
        thread.tasks -= 1
        give(thread)
      })
      resolve(answer)
    }
  }

  const count = Math.min(threadsMax, Math.max(1, jobs ?? availableParallelism()))
  const threads: Thread[] = []
  // Begun at once, so that it is ready when the first files are known.
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
      await Promise.all(threads.map(async ({ asked }) => await asked.terminate()))
    },
  }
}
