/** Turns segments into bytes. Four steps, each a generator that consumes the one before:
 *    1. `cutWindows` gathers pieces (literals, and pages of copies) up to one read window;
 *    2. `loadWindow` reads the pages of a window, grouped by pack, sorted by offset and merged when
 *       close together, and checks each against its stored CRC;
 *    3. `loadAhead` loads the next window while the current one is being consumed, so at most two
 *       windows are held (one, when very many downloads run at once);
 *    4. `coalesce` copies the pieces to chunks that are worth a system call.
 *  A copy is read in whole check pages, so that every byte is verified before it is sent. */
import { placeOf } from '../core/bytes/copy.ts'
import { blobDamaged, hasCode, type StoreError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import { arePagesIntact } from '../packs/format/page-checks.ts'
import { coalesce } from './coalesce.ts'
import {
  type PackRead,
  type PageCut,
  type Piece,
  heldBytes,
  packOffset,
  pageBytes,
  planReads,
} from './read-window.ts'
import type { Reader } from './reader.ts'
import { type PlainSegment, type SegmentBatches, sliceSegments } from './segments.ts'

/** Longest literal that is one piece of a window. */
const literalBytesMax = limits.readWindowBytes
/** Upper bound on the pieces of one window; 1 KiB files with their headers fill a window with about
 *  half as many. */
const windowPiecesMax = 4096
/** A literal up to this size is added to a window even when it is full: headers of stored blocks
 *  lie between slices of the same page, which would otherwise be read again for each of them. */
const negligibleBytesMax = 16
/** Window size when very many downloads run; a check page of a large copy can still be longer. */
const crowdedWindowBytes = limits.readWindowBytes / 4
/** Concurrent reads of one window. */
const readsAtOnce = 4

/** Downloads in progress in this process. */
let downloads = 0

/** Whether so many downloads run that each must use less memory. They then overlap with each
 *  other's disk reads, so reading ahead would gain nothing. */
function isCrowded(): boolean {
  return downloads > limits.readAheadDownloadsMax
}

/** Yields the bytes `[start, end)` of `batches` in chunks of 256 KiB (the last may be shorter),
 *  each verified before it is yielded. Ends early only by throwing.
 *  Errors: blob_damaged (the copy is marked first). */
export async function* emit(
  reader: Reader,
  batches: SegmentBatches,
  range: { start: number; end: number; signal?: AbortSignal | undefined },
): AsyncGenerator<Buffer> {
  const windows = cutWindows(sliceSegments(batches, range.start, range.end))
  const memoryFor = createWindowMemory()
  const load: Load = (window, isAhead) =>
    loadWindow(reader, window, {
      memoryFor: (bytes) => memoryFor(bytes, isAhead),
      signal: range.signal,
    })
  downloads += 1
  try {
    yield* coalesce(loadAhead(windows, load), range.end - range.start)
  } finally {
    downloads -= 1
  }
}

/** `isAhead`: whether the window before is still in use. */
type Load = (window: Piece[], isAhead: boolean) => Promise<Buffer[]>

/** Returns the memory of one window after another. Fresh buffers are freed only when the collector
 *  finds out: six downloads held 95 MB and took half as much CPU again. */
function createWindowMemory(): (bytes: number, isAhead: boolean) => Buffer {
  let memory = empty
  let other = empty
  return (bytes, isAhead) => {
    ;[memory, other] = isAhead ? [other, memory] : [memory, empty]
    // With room for the gaps of later windows.
    if (memory.length < bytes) memory = Buffer.allocUnsafeSlow(Math.ceil(bytes * 1.25))
    return memory
  }
}

async function* cutWindows(batches: AsyncIterable<PlainSegment[]>): AsyncGenerator<Piece[]> {
  let window: Piece[] = []
  let windowBytes = 0
  let last: PageCut | undefined
  for await (const batch of batches) {
    for (const segment of batch) {
      for (const piece of piecesOf(segment)) {
        const limit = isCrowded() ? crowdedWindowBytes : limits.readWindowBytes
        const isOver = windowBytes + heldBytes(piece) > limit && !isNegligible(piece, last)
        if (window.length > 0 && (isOver || window.length >= windowPiecesMax)) {
          yield window
          window = []
          windowBytes = 0
          last = undefined
        }
        window.push(piece)
        if (!isSamePage(piece, last)) windowBytes += heldBytes(piece)
        if (!Buffer.isBuffer(piece)) last = piece
      }
    }
  }
  if (window.length > 0) yield window
}

function* piecesOf(segment: PlainSegment): Generator<Piece> {
  if (segment.kind === 'literal') {
    for (let start = 0; start < segment.bytes.length; start += literalBytesMax) {
      yield segment.bytes.subarray(start, start + literalBytesMax)
    }
    return
  }
  const { copy, path } = segment
  const firstPage = Math.floor(segment.start / limits.checkPageBytes)
  for (let page = firstPage; page * limits.checkPageBytes < segment.end; page++) {
    const pageStart = page * limits.checkPageBytes
    const from = Math.max(segment.start - pageStart, 0)
    const to = Math.min(segment.end - pageStart, limits.checkPageBytes)
    yield { copy, page, from, to, path }
  }
}

/** Whether a piece adds next to nothing to the window whose last cut is `last`. */
function isNegligible(piece: Piece, last: PageCut | undefined): boolean {
  return Buffer.isBuffer(piece) ? piece.length <= negligibleBytesMax : isSamePage(piece, last)
}

function isSamePage(piece: Piece, last: PageCut | undefined): boolean {
  return !Buffer.isBuffer(piece) && piece.copy === last?.copy && piece.page === last.page
}

/** Loads one window ahead of the consumer, unless the process is crowded. The consumer has no more
 *  use for a window when it requests the next one. When it stops, waits for the load in flight, so
 *  that no read outlives the download. */
async function* loadAhead(windows: AsyncGenerator<Piece[]>, load: Load): AsyncGenerator<Buffer[]> {
  const loadNext = async (isAhead: boolean): Promise<Buffer[] | undefined> => {
    const next = await windows.next()
    return next.done === true ? undefined : await load(next.value, isAhead)
  }
  let ahead: Promise<Buffer[] | undefined> | undefined
  try {
    for (;;) {
      const pieces = await (ahead ?? loadNext(false))
      if (pieces === undefined) return
      ahead = isCrowded() ? undefined : loadNext(true)
      // The next iteration handles a failure; until then it must not be an unhandled rejection.
      ahead?.catch(() => undefined)
      yield pieces
    }
  } finally {
    await ahead?.catch(() => undefined)
    await windows.return(undefined)
  }
}

async function loadWindow(
  reader: Reader,
  window: Piece[],
  { memoryFor, signal }: { memoryFor(bytes: number): Buffer; signal: AbortSignal | undefined },
): Promise<Buffer[]> {
  const loaded = window.map((piece) => (Buffer.isBuffer(piece) ? piece : empty))
  const planned = planReads(window)
  const memory = memoryFor(planned.reduce((sum, { start, end }) => sum + end - start, 0))
  let used = 0
  // The workers share one generator: a failure in one closes it, so the others stop after their
  // current read.
  const reads = each(planned)
  const work = async (): Promise<void> => {
    for (const read of reads) {
      signal?.throwIfAborted()
      const cuts = read.indexes.map((index) => window[index] as PageCut)
      const from = used
      used += read.end - read.start
      const into = memory.subarray(from, used)
      const pages = await readPages(reader, { read, cuts, into })
      read.indexes.forEach((index, at) => {
        loaded[index] = pages[at]!.subarray(cuts[at]!.from, cuts[at]!.to)
      })
    }
  }
  const settled = await Promise.allSettled(Array.from({ length: readsAtOnce }, work))
  const failure = settled.find((outcome) => outcome.status === 'rejected')
  if (failure !== undefined) throw failure.reason
  return loaded
}

const empty = Buffer.alloc(0)

function* each<T>(items: T[]): Generator<T> {
  yield* items
}

interface ReadJob {
  read: PackRead
  /** The cuts that lie in it. */
  cuts: PageCut[]
  into: Buffer
}

/** Reads the check pages of the cuts and verifies each. */
async function readPages(reader: Reader, job: ReadJob): Promise<Buffer[]> {
  const { read, cuts } = job
  const bytes = await readPack(reader, job)
  const pages = cuts.map((cut) => {
    const start = packOffset(cut) - read.start
    return bytes.subarray(start, start + pageBytes(cut))
  })
  const bad = cuts.filter((cut, index) => !arePagesIntact(cut.copy.checks, cut.page, pages[index]!))
  if (bad.length > 0) throw await damaged(reader, bad)
  return pages
}

async function readPack(reader: Reader, { read, cuts, into }: ReadJob): Promise<Buffer> {
  try {
    return await reader.packs.read(read.packName, read.start, read.end - read.start, into)
  } catch (error) {
    // A missing pack does not mean damage: the copies may have moved to another pack since they
    // were looked up.
    if (hasCode(error, 'not_found')) throw unreadable(cuts, error)
    if (!hasCode(error, 'blob_damaged')) throw error
    throw await damaged(reader, await findUnreadable(reader, cuts), error)
  }
}

/** Returns the cuts of a failed read that cannot be read on their own either. */
async function findUnreadable(reader: Reader, cuts: PageCut[]): Promise<PageCut[]> {
  const bad: PageCut[] = []
  for (const cut of cuts) {
    try {
      await reader.packs.read(cut.copy.packName, packOffset(cut), pageBytes(cut))
    } catch (error) {
      if (!hasCode(error, 'blob_damaged')) throw error
      bad.push(cut)
    }
  }
  return bad
}

/** Marks the copies as damaged, so that they count as missing and the next upload of their content
 *  heals them. */
async function damaged(reader: Reader, cuts: PageCut[], cause?: unknown): Promise<StoreError> {
  const places = new Map(cuts.map(({ copy }) => [copy.streamId, placeOf(copy)]))
  for (const place of places.values()) await reader.metadata.markDamaged(place)
  return unreadable(cuts, cause)
}

function unreadable(cuts: PageCut[], cause: unknown): StoreError {
  const paths = [...new Set(cuts.flatMap((cut) => (cut.path === null ? [] : [cut.path])))]
  const first = cuts[0]
  const place =
    first === undefined
      ? 'a pack cannot be read'
      : `stream ${first.copy.streamId} is damaged (pack ${first.copy.packName}, offset ${packOffset(first)})`
  const of = paths.length > 0 ? `, of ${paths.slice(0, 3).join(', ')}` : ''
  return blobDamaged(`${place}${of}`, paths, { cause })
}
