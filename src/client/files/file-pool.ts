/** The threads that work on files. Tasks wait in one line; a thread gets its next one while it is at work, so that it
 *  never waits for the main thread. Another thread begins when tasks wait or are expected: what little there is one can do,
 *  and to begin one takes 0.1 s of a processor. */
import { availableParallelism } from 'node:os'
import { type ErrorMessage, decodeError } from '../../core/errors.ts'
import { startThread } from '../../program-files.ts'
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

export interface FileReply {
  id: number
  answer?: FileAnswers[keyof FileAnswers]
  failure?:
    | { kind: 'file'; path: string; reason: string }
    | { kind: 'store'; error: ErrorMessage }
    | { kind: 'bug'; message: string }
}

interface Waiting {
  id: number
  task: FileTask
  transfer: ArrayBuffer[]
}

interface Thread {
  worker: FileThread
  pending: Set<number>
}

/** Buffers live outside of the heap and go with the objects that hold them; a small young generation is collected often,
 *  so dead buffers do not pile up (peak of an upload: 185 against 270 MB). */
const youngMegabytesMax = 3
/** Tasks that a thread has been given and not answered. */
export const tasksPerThread = 2
const threadsMax = 64

/** What the pool needs of a thread. */
export interface FileThread {
  on(event: 'message', listener: (reply: FileReply) => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
  once(event: 'exit', listener: (code: number) => void): unknown
  postMessage(message: unknown, transfer?: ArrayBuffer[]): void
  ref(): void
  unref(): void
  terminate(): Promise<unknown>
}

function startFileThread(): FileThread {
  return startThread('client/files/file-worker.ts', {
    resourceLimits: { maxYoungGenerationSizeMb: youngMegabytesMax },
    tracesSource: false,
  })
}

/** Begins up to `jobs` threads (one for each processor when null). */
export function openFilePool(
  jobs: number | null = null,
  startWorker: () => FileThread = startFileThread,
): FilePool {
  const waiting: Waiting[] = []
  const settlers = new Map<number, { resolve(answer: unknown): void; reject(error: Error): void }>()
  let nextId = 1
  /** Why no more tasks are taken. */
  let ended: Error | undefined

  const give = (thread: Thread): void => {
    while (thread.pending.size < tasksPerThread) {
      const next = waiting.shift()
      if (next === undefined) return
      thread.pending.add(next.id)
      thread.worker.postMessage({ id: next.id, task: next.task }, next.transfer)
    }
  }

  /** Tasks that wait for a thread would wait for ever, as no other takes the place of one that ended. */
  const end = (error: Error): void => {
    ended ??= error
    waiting.length = 0
    for (const { reject } of settlers.values()) reject(error)
    settlers.clear()
  }

  const start = (): Thread => {
    const worker = startWorker()
    const thread: Thread = { worker, pending: new Set() }
    worker.on('message', (reply: FileReply) => {
      thread.pending.delete(reply.id)
      give(thread)
      const settler = settlers.get(reply.id)
      settlers.delete(reply.id)
      if (reply.failure === undefined) settler?.resolve(reply.answer)
      else settler?.reject(errorOf(reply.failure))
    })
    worker.on('error', end)
    worker.once('exit', (code) => end(new Error(`a file thread ended with code ${code}`)))
    worker.unref()
    return thread
  }

  const count = Math.min(threadsMax, Math.max(1, jobs ?? availableParallelism()))
  // Begun at once, so that it is ready when the first files are known.
  const threads = [start()]

  const begin = (): Thread => {
    const thread = start()
    threads.push(thread)
    return thread
  }

  return {
    threads: count,
    expect: (tasks) => {
      while (threads.length < Math.min(count, tasks / tasksPerThread)) begin()
    },
    run: async <Task extends FileTask>(task: Task, transfer: ArrayBuffer[] = []) => {
      if (ended !== undefined) throw ended
      const id = nextId++
      const answer = new Promise<unknown>((resolve, reject) => {
        settlers.set(id, { resolve, reject })
      })
      waiting.push({ id, task, transfer })
      const idlest = threads.reduce((best, each) =>
        each.pending.size < best.pending.size ? each : best,
      )
      idlest.worker.ref()
      give(idlest)
      if (waiting.length > 0 && threads.length < count) {
        const thread = begin()
        thread.worker.ref()
        give(thread)
      }
      return (await answer) as FileAnswers[Task['kind']]
    },
    close: async () => {
      end(new Error('the file pool was closed'))
      await Promise.all(threads.map(async ({ worker }) => await worker.terminate()))
    },
  }
}

function errorOf(failure: NonNullable<FileReply['failure']>): Error {
  switch (failure.kind) {
    case 'file':
      return new FileError(failure.path, failure.reason)
    case 'store':
      return decodeError(failure.error)
    case 'bug':
      return new Error(`a file thread failed: ${failure.message}`)
  }
}
