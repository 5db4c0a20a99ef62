/** Memory for the entry tables of one thread. The thread's heap is bounded, and exceeding it ends
 *  the thread with all of its jobs. Every job may hold a little; one at a time may hold much.
 *  Others that need much wait for their turn, in order, holding on to their little. The job whose
 *  turn it is never waits for memory, so all get theirs; but it may wait for its sender, so a turn
 *  that is too long for others can be ended. */
import { tooLarge } from '../core/errors.ts'
import { limits } from '../core/limits.ts'

export interface TableMemory {
  /** Opens the share of a job. */
  open(): TableShare
}

export interface TableShare {
  /** Counts bytes, until the share is closed.
   *  Errors: too_large, for more than a single job may hold. */
  add(bytes: number): void
  /** Called when others have waited for the turn of this job for `turnMs`. */
  onOverdue(end: () => void): void
  /** Resolves when the job may hold what it has and more. Errors: the signal's. */
  turn(signal?: AbortSignal): Promise<void>
  /** Releases everything. Idempotent. */
  close(): void
}

export interface TableBounds {
  littleBytes: number
  muchBytes: number
  turnMs: number
}

export function createTableMemory({ littleBytes, muchBytes, turnMs }: TableBounds): TableMemory {
  let isTaken = false
  let endTurn = (): void => {}
  let overdue: NodeJS.Timeout | undefined
  const waiting: (() => void)[] = []
  const passOn = (): void => {
    clearTimeout(overdue)
    overdue = undefined
    const next = waiting.shift()
    if (next === undefined) isTaken = false
    else next()
    if (waiting.length > 0) watch()
  }
  const watch = (): void => {
    overdue ??= setTimeout(() => {
      overdue = undefined
      if (waiting.length > 0) endTurn()
    }, turnMs).unref()
  }
  return {
    open: () => {
      let bytes = 0
      let isMine = false
      let end = (): void => {}
      return {
        onOverdue: (act) => {
          end = act
        },
        add: (more) => {
          bytes += more
          if (bytes > muchBytes) throw tooMuch(muchBytes)
        },
        turn: async (signal) => {
          if (isMine || bytes <= littleBytes) return
          if (isTaken) {
            watch()
            await waitIn(waiting, signal)
          }
          isTaken = true
          isMine = true
          endTurn = () => {
            end()
          }
        },
        close: () => {
          bytes = 0
          if (!isMine) return
          isMine = false
          passOn()
        },
      }
    },
  }
}

async function waitIn(waiting: (() => void)[], signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted()
  await new Promise<void>((resolve, reject) => {
    const begin = (): void => {
      signal?.removeEventListener('abort', leave)
      resolve()
    }
    const leave = (): void => {
      waiting.splice(waiting.indexOf(begin), 1)
      reject(signal!.reason as Error)
    }
    waiting.push(begin)
    signal?.addEventListener('abort', leave, { once: true })
  })
}

function tooMuch(muchBytes: number): Error {
  const reason = `the paths of the upload take more than ${muchBytes} bytes of memory: there are too many, or they are too long`
  return tooLarge('memory for the entries of one artifact', muchBytes, reason)
}

/** Shared by all jobs of this thread. */
export const threadTables: TableMemory = createTableMemory({
  littleBytes: limits.tableLittleBytes,
  muchBytes: limits.tableMuchBytes,
  turnMs: limits.tableTurnMs,
})
