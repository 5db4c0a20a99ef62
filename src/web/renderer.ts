/** Renders parts of pages in a thread, one at a time, so that a slow one does not block other
 *  requests. */
import pLimit from 'p-limit'
import { isOutOfHeap, storeError, tooLarge } from '../core/errors.ts'
import { startThread } from '../program-files.ts'
import { createThreadClient, type ThreadClient } from '../worker-thread.ts'
import type { Rendered, RenderTask } from './rendering.tsx'

export interface Renderer {
  /** `makeTask` reads the input of the task. It is called only when the turn of the task comes,
   *  so queued tasks hold no memory. Errors: those of `makeTask`, busy (the queue is full),
   *  too_large (more than the thread's heap), the reason of `signal`. */
  render<Task extends RenderTask>(
    makeTask: () => Promise<Task>,
    signal: AbortSignal,
  ): Promise<Rendered<Task>>
  /** Terminates the thread, including any rendering in flight. */
  close(): Promise<void>
}

const waitingMax = 1000
/** Of 250 hostile inputs of the largest size, coloured text needs the most: 1 MiB on one line with
 *  a colour for each letter takes between 112 and 128 MiB. */
const heapMiB = { old: 192, young: 12 }
/** An idle thread ends after this time, since it keeps the heap that past renderings needed. */
const idleMs = 10_000

type RenderThread = ThreadClient<RenderTask, Rendered<RenderTask>>

export function createRenderer(): Renderer {
  const inTurn = pLimit(1)
  let thread: RenderThread | undefined
  let idle: NodeJS.Timeout | undefined

  const start = (): RenderThread => {
    const worker = startThread('web/render-worker.ts', {
      name: 'renderer',
      heapMiB,
    })
    const started: RenderThread = createThreadClient(worker, 'render')
    void started.died.then(() => {
      if (thread === started) thread = undefined
    })
    return started
  }
  const end = async (): Promise<void> => {
    clearTimeout(idle)
    // Cleared first: a task that arrives while the thread terminates starts another.
    const ended = thread
    thread = undefined
    await ended?.terminate()
  }
  const run = async (task: RenderTask): Promise<Rendered<RenderTask>> => {
    clearTimeout(idle)
    thread ??= start()
    try {
      return await thread.request(task)
    } catch (error) {
      if (!isOutOfHeap(error)) throw error
      const reason = `showing this takes more than ${heapMiB.old} MiB of memory`
      throw tooLarge('memory of a preview', heapMiB.old * 1024 * 1024, reason)
    } finally {
      idle = setTimeout(() => void end(), idleMs).unref()
    }
  }
  return {
    render: async <Task extends RenderTask>(
      makeTask: () => Promise<Task>,
      signal: AbortSignal,
    ): Promise<Rendered<Task>> => {
      if (inTurn.pendingCount >= waitingMax)
        throw storeError('busy', `${waitingMax} previews are already waiting`, {
          what: 'previews',
        })
      return await inTurn(async () => {
        signal.throwIfAborted()
        return (await run(await makeTask())) as Rendered<Task>
      })
    },
    close: end,
  }
}
