/** Captured pages that are not in the bucket yet, each once. Those of transactions that have not
 *  ended wait for that; the others can be sent at once. */
import { type Pages, readRecords } from './changes.ts'

export interface PendingPages {
  /** Adds records of the capture. */
  add(records: Uint8Array): void
  /** With the pages added so far, a copy is the database as of a commit, if it has this many. */
  commit(pageCount: number): void
  /** Bytes of those that wait, and of those among them that can be sent. */
  waitingBytes(): number
  readyBytes(): number
  /** Takes all that can be sent. */
  take(): { pageCount: number; pages: Pages }
  /** To be called when what was taken is sent. */
  settle(): void
  /** How long the oldest has waited; 0: none does. */
  waitedMs(): number
}

export function createPendingPages(recordBytes: number): PendingPages {
  const open = new Map<number, Uint8Array>()
  let ready = new Map<number, Uint8Array>()
  let pageCount = 0
  /** When the oldest was captured of those that wait and of those that were taken, by the monotonic
   *  clock. */
  let waitingSince: number | undefined
  let takenSince: number | undefined
  return {
    add: (records) => {
      for (const [number, page] of readRecords(records, recordBytes)) {
        // A copy: a page of these records may be replaced long before the others.
        open.set(number, Buffer.from(page))
      }
      waitingSince ??= performance.now()
    },
    commit: (pages) => {
      for (const [number, page] of open) ready.set(number, page)
      open.clear()
      pageCount = pages
    },
    waitingBytes: () => (open.size + ready.size) * recordBytes,
    readyBytes: () => ready.size * recordBytes,
    take: () => {
      const pages = ready
      takenSince = waitingSince
      ready = new Map()
      waitingSince = open.size > 0 ? performance.now() : undefined
      return { pageCount, pages }
    },
    settle: () => {
      takenSince = undefined
    },
    waitedMs: () => {
      const since = takenSince ?? waitingSince
      return since === undefined ? 0 : performance.now() - since
    },
  }
}
