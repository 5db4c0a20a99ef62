/** Runs maintenance at intervals inside the server: one round at a time, jittered, and never
 *  silently dead. */
import { asError } from '../core/errors.ts'
import type { Log } from '../log.ts'

export interface Schedule {
  /** Ends the schedule; resolves when a running round is over. */
  stop(): Promise<void>
}

/** Calls `round` about every `intervalMs` (±10 %), first after `firstMs`, or else one interval. A
 *  failing round is logged and does not stop the schedule. */
export function startSchedule(options: {
  name: string
  intervalMs: number
  firstMs?: number
  log: Log
  /** May return figures. When all are 0 the round did nothing, and they are not logged. */
  round(): Promise<Record<string, number> | void>
}): Schedule {
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> = Promise.resolve()
  let stopped = false

  const turn = async (): Promise<void> => {
    try {
      const figures = await options.round()
      if (figures && Object.values(figures).some((figure) => figure > 0))
        options.log.info(options.name, figures)
    } catch (error) {
      if (!stopped) options.log.error(`${options.name} failed`, { error: asError(error) })
    }
    arm()
  }
  const arm = (ms = options.intervalMs * (0.9 + Math.random() * 0.2)): void => {
    if (stopped) return
    timer = setTimeout(() => {
      running = turn()
    }, ms)
    timer.unref()
  }
  arm(options.firstMs)
  return {
    stop: async () => {
      stopped = true
      clearTimeout(timer)
      await running
    },
  }
}
