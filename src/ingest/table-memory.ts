/** Memory for the entry tables of one thread. The thread's heap is bounded, and exceeding it ends
 *  the thread with all of its jobs. Every job may hold a little; one at a time may hold much.
 *  Others that need much wait for their turn, in order, holding on to their little. The job whose
 *  turn it is never waits, so all get theirs. */
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
  /** Resolves when the job may hold what it has and more. Errors: the signal's. */
  turn(signal?: AbortSignal): Promise<void>
  /** Releases everything. Idempotent. */
  close(): void
}

export interface TableBounds {
  littleBytes: number
  muchBytes: number
}

export function createTableMemory({ littleBytes, muchBytes }: TableBounds): TableMemory {
  let isTaken = false
  const waiting: (() => void)[] = []
  const passOn = (): void => {
    const next = waiting.shift()
    if (next === undefined) isTaken = false
    else next()
  }
  return {
    open: () => {
      let bytes = 0
      let isMine = false
      return {
        add: (more) => {
          bytes += more
          if (bytes > muchBytes) throw tooMuch(muchBytes)
        },
        turn: async (signal) => {
          if (isMine || bytes <= littleBytes) return
          if (isTaken) await waitIn(waiting, signal)
          isTaken = true
          isMine = true
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
})
