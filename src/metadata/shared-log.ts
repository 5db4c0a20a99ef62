/** What the threads of one process tell each other about the database that they share, in a few shared words.
 *
 *  Whose turn it is to write: SQLite has one writer, and whoever waits for it asks again after pauses of up to 100 ms,
 *  which an upload under load can lose again and again until it fails. Here everybody draws a number and is woken the
 *  moment it is served. SQLite's own lock still decides: a thread that dies in its turn holds the others up for
 *  `turnMsMax` once, and no longer.
 *
 *  How the write-ahead log stands: log-keeper.ts is told of every transaction, and tells upkeep when it should pause. */

export interface SharedLog {
  /** Waits for the turn to write, first come, first served; at most about `turnMsMax`. Blocks the thread. Answers what
   *  `leave` wants to know. */
  enter(): number
  leave(ticket: number): void
  /** Whether somebody waits for the turn that is on. */
  isAwaited(ticket: number): boolean
  /** Tells the log keeper that something was written. */
  announce(): void
  /** Whether the log has grown so long that work which nobody waits for should leave it alone. */
  isLong(): boolean
}

/** The log keeper's side. */
export interface KeptLog extends SharedLog {
  /** Waits until something has been written after mark `since`, at most `timeoutMs`; answers the mark of now. Blocks. */
  waitForWrites(since: number, timeoutMs: number): number
  setLong(isLong: boolean): void
  /** Whether the keeper is to end. */
  isClosing(): boolean
  close(): void
}

const word = { next: 0, serving: 1, written: 2, long: 3, closing: 4 } as const
/** Transactions take milliseconds, with a slow disk tens of them. */
const turnMsMax = 2000

/** Memory for the threads that share a database; given to each of them. */
export function createSharedLog(): SharedArrayBuffer {
  return new SharedArrayBuffer(Object.keys(word).length * Int32Array.BYTES_PER_ELEMENT)
}

export function joinSharedLog(shared: SharedArrayBuffer): KeptLog {
  const words = new Int32Array(shared)

  /** Makes it the turn of `ticket` unless that has been. The words overflow, so only their distance counts. */
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
      // Past it: somebody waited longer than anybody should, and went on.
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
    waitForWrites: (since, timeoutMs) => {
      Atomics.wait(words, word.written, since, timeoutMs)
      return Atomics.load(words, word.written)
    },
    setLong: (isLong) => {
      Atomics.store(words, word.long, isLong ? 1 : 0)
    },
    isClosing: () => Atomics.load(words, word.closing) === 1,
    close: () => {
      Atomics.store(words, word.closing, 1)
      announce()
    },
  }
}
