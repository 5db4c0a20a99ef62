/** Puts parts of pages together in a thread, one after the other, so that no other request waits for what takes long. */
import pLimit from 'p-limit'
import { storeError } from '../core/errors.ts'
import { startThread } from '../program-files.ts'
import { type AskedThread, askThread } from '../worker-thread.ts'
import type { Rendered, RenderTask } from './rendering.tsx'

export interface Renderer {
  /** `makeTask` reads what the task is made of, and is called when its turn comes: those that wait hold nothing.
   *  Errors: those of `makeTask`, busy (too many wait), whatever `signal` is aborted with. */
  render<Task extends RenderTask>(
    makeTask: () => Promise<Task>,
    signal: AbortSignal,
  ): Promise<Rendered<Task>>
  /** Ends the thread, and with it what is being rendered. */
  close(): Promise<void>
}

const waitingMax = 1000
/** What 1 MiB becomes at most while it is put together. */
const heapMiB = 128
/** What was rendered stays in the heap of the thread until it ends. */
const idleMs = 10_000

type RenderThread = AskedThread<RenderTask, Rendered<RenderTask>>

export function createRenderer(): Renderer {
  const inTurn = pLimit(1)
  let thread: RenderThread | undefined
  let idle: NodeJS.Timeout | undefined

  const start = (): RenderThread => {
    const worker = startThread('web/render-worker.ts', {
      name: 'renderer',
      resourceLimits: { maxOldGenerationSizeMb: heapMiB },
    })
    const started: RenderThread = askThread(worker, 'render')
    void started.died.then(() => {
      if (thread === started) thread = undefined
    })
    return started
  }
  const end = async (): Promise<void> => {
    clearTimeout(idle)
    // Let go of at once: a task that comes while it ends gets another.
    const ended = thread
    thread = undefined
    await ended?.terminate()
  }
  const run = async (task: RenderTask): Promise<Rendered<RenderTask>> => {
    clearTimeout(idle)
    thread ??= start()
    try {
      return await thread.ask(task)
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
        throw storeError('busy', `${waitingMax} previews wait already`, { what: 'previews' })
      return await inTurn(async () => {
        signal.throwIfAborted()
        return (await run(await makeTask())) as Rendered<Task>
      })
    },
    close: end,
  }
}
