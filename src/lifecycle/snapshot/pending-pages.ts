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
  /** To be called when what was taken is sent; its pages are used again. */
  settle(): void
  /** How long the oldest has waited; 0: none does. */
  waitedMs(): number
}

/** Buffers of sent pages that are kept for others: garbage outside the heap is collected late. */
const spareBytesMax = 8 * 1024 * 1024

export function createPendingPages(recordBytes: number): PendingPages {
  const open = new Map<number, Uint8Array>()
  let taken: Pages = new Map()
  const spare: Uint8Array[] = []
  const keep = (page: Uint8Array): void => {
    if (spare.length * recordBytes < spareBytesMax) spare.push(page)
  }
  let ready = new Map<number, Uint8Array>()
  let pageCount = 0
  /** When the oldest was captured of those that wait and of those that were taken, by the monotonic
   *  clock. */
  let waitingSince: number | undefined
  let takenSince: number | undefined
  return {
    add: (records) => {
      for (const [number, page] of readRecords(records, recordBytes)) {
        const copy = open.get(number) ?? spare.pop() ?? Buffer.alloc(page.length)
        copy.set(page)
        open.set(number, copy)
      }
      waitingSince ??= performance.now()
    },
    commit: (pages) => {
      for (const [number, page] of open) {
        const replaced = ready.get(number)
        if (replaced !== undefined) keep(replaced)
        ready.set(number, page)
      }
      open.clear()
      pageCount = pages
    },
    waitingBytes: () => (open.size + ready.size) * recordBytes,
    readyBytes: () => ready.size * recordBytes,
    take: () => {
      taken = ready
      takenSince = waitingSince
      ready = new Map()
      waitingSince = open.size > 0 ? performance.now() : undefined
      return { pageCount, pages: taken }
    },
    settle: () => {
      for (const page of taken.values()) keep(page)
      taken = new Map()
      takenSince = undefined
    },
    waitedMs: () => {
      const since = takenSince ?? waitingSince
      return since === undefined ? 0 : performance.now() - since
    },
  }
}
