/** Coordination in a few words of shared memory between the threads of one process that share a
 *  database.
 *
 *  Write turns: SQLite has one writer, and a thread that waits for it polls with pauses of up to
 *  100 ms, so an upload under load can lose the race repeatedly until it fails. Here each writer
 *  draws a ticket and is woken the moment it is served. SQLite's own lock still decides: a
 *  thread that dies in its turn delays the others by `turnMsMax` once, and no longer.
 *
 *  Write-ahead log: the log keeper (log-keeper.ts) is notified of every transaction, and tells
 *  maintenance when to pause. It waits on this memory and reads no messages, so what it is to
 *  capture is asked for here, too. */

export interface SharedLog {
  /** Waits for the turn to write, first come, first served; at most about `turnMsMax`. Blocks
   *  the thread. Returns the ticket for `leave`. */
  enter(): number
  leave(ticket: number): void
  /** Whether another writer waits for the current turn to end. */
  isAwaited(ticket: number): boolean
  /** Notifies the log keeper of a write. */
  announce(): void
  /** Whether the log is so long that background work should stop writing. */
  isLong(): boolean
  /** Whether a sync of the log failed (failed-sync.ts). */
  hasFailedSync(): boolean
  setFailedSync(hasFailed: boolean): void
  /** Number of such failures. Another thread than the keeper then copies the log back. */
  failedSyncs(): number
  /** Counts a call of the thread that only reads; maintenance rests for its callers. */
  noteRead(): void
  reads(): number
}

/** What the log keeper is to capture (page-capture.ts). */
export interface AskedCapture {
  /** Number of the capture that should run; 0: none. */
  capture: number
  /** Number of the last request to pass again what is not in the file of the database yet. */
  repeat: number
  /** Number of the last request for everything that is committed. Answers to it also answer the
   *  others that were made before. */
  flush: number
}

/** The log keeper's side. */
export interface KeptLog extends SharedLog {
  askCapture(asked: AskedCapture): void
  askedCapture(): AskedCapture
  /** Counts a message with captured pages that was taken. */
  noteTaken(): void
  /** Waits until `count` were, at most `timeoutMs`; returns whether they were. Blocks. */
  waitForTaken(count: number, timeoutMs: number): boolean
  /** Waits at most `timeoutMs` for a write after mark `since`; returns the current mark. Blocks. */
  waitForWrites(since: number, timeoutMs: number): number
  setLong(isLong: boolean): void
  /** Whether the keeper should end. */
  isClosing(): boolean
  close(): void
}

const word = {
  next: 0,
  serving: 1,
  written: 2,
  long: 3,
  closing: 4,
  failedSync: 5,
  reads: 6,
  failedSyncs: 7,
  capture: 8,
  repeat: 9,
  flush: 10,
  taken: 11,
} as const
/** Upper bound on waiting for a turn. Transactions take milliseconds, tens of them on a slow
 *  disk. */
const turnMsMax = 2000

/** Memory to be passed to each thread that shares a database. */
export function createSharedLog(): SharedArrayBuffer {
  return new SharedArrayBuffer(Object.keys(word).length * Int32Array.BYTES_PER_ELEMENT)
}

export function joinSharedLog(shared: SharedArrayBuffer): KeptLog {
  const words = new Int32Array(shared)

  /** Advances the turn to `ticket` unless it is past it. The words overflow, so only their
   *  distance counts. */
  const skipTo = (ticket: number): void => {
    for (;;) {
      const serving = Atomics.load(words, word.serving)
      if (((ticket - serving) | 0) <= 0) return
      if (Atomics.compareExchange(words, word.serving, serving, ticket) === serving) break
    }
    Atomics.notify(words, word.serving)
  }
  const enter = (): number => {
    const ticket = Atomics.add(words, word.next, 1)
    const deadline = performance.now() + turnMsMax
    for (;;) {
      const serving = Atomics.load(words, word.serving)
      // Past our ticket: another thread timed out waiting and went on.
      if (((serving - ticket) | 0) >= 0) return ticket
      const leftMs = deadline - performance.now()
      if (leftMs > 0) Atomics.wait(words, word.serving, serving, leftMs)
      else skipTo(ticket)
    }
  }
  const announce = (): void => {
    Atomics.add(words, word.written, 1)
    Atomics.notify(words, word.written)
  }
  return {
    enter,
    leave: (ticket) => skipTo((ticket + 1) | 0),
    isAwaited: (ticket) => ((Atomics.load(words, word.next) - ticket) | 0) > 1,
    announce,
    isLong: () => Atomics.load(words, word.long) === 1,
    hasFailedSync: () => Atomics.load(words, word.failedSync) === 1,
    setFailedSync: (hasFailed) => {
      if (hasFailed) Atomics.add(words, word.failedSyncs, 1)
      Atomics.store(words, word.failedSync, hasFailed ? 1 : 0)
    },
    failedSyncs: () => Atomics.load(words, word.failedSyncs),
    noteRead: () => {
      Atomics.add(words, word.reads, 1)
    },
    reads: () => Atomics.load(words, word.reads),
    waitForWrites: (since, timeoutMs) => {
      Atomics.wait(words, word.written, since, timeoutMs)
      return Atomics.load(words, word.written)
    },
    setLong: (isLong) => {
      Atomics.store(words, word.long, isLong ? 1 : 0)
    },
    askCapture: ({ capture, repeat, flush }) => {
      Atomics.store(words, word.capture, capture)
      Atomics.store(words, word.repeat, repeat)
      Atomics.store(words, word.flush, flush)
      announce()
    },
    askedCapture: () => {
      // First, since it was stored last.
      const flush = Atomics.load(words, word.flush)
      const repeat = Atomics.load(words, word.repeat)
      return { capture: Atomics.load(words, word.capture), repeat, flush }
    },
    noteTaken: () => {
      Atomics.add(words, word.taken, 1)
      Atomics.notify(words, word.taken)
    },
    waitForTaken: (count, timeoutMs) => {
      const deadline = performance.now() + timeoutMs
      for (;;) {
        const taken = Atomics.load(words, word.taken)
        if (((taken - count) | 0) >= 0) return true
        const leftMs = deadline - performance.now()
        if (leftMs <= 0) return false
        Atomics.wait(words, word.taken, taken, leftMs)
      }
    },
    isClosing: () => Atomics.load(words, word.closing) === 1,
    close: () => {
      Atomics.store(words, word.closing, 1)
      announce()
    },
  }
}
