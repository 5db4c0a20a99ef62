/** Turns segments into bytes. Four steps, each a generator that consumes the one before:
 *    1. `cutWindows` gathers pieces (literals, and pages of copies) up to one read window;
 *    2. `loadWindow` reads the pages of a window, grouped by pack, sorted by offset and merged when
 *       close together, and checks each against its stored CRC;
 *    3. `loadAhead` loads the next window while the current one is being consumed, so at most two
 *       windows are held (one, when very many downloads run at once);
 *    4. `coalesce` copies the pieces to chunks that are worth a system call.
 *  A copy is read in whole check pages, so that every byte is verified before it is sent. */
import { limits } from '../core/limits.ts'
import { chunkBytes, coalesce } from './coalesce.ts'
import { loadWindow } from './load-window.ts'
import { createPlaces } from './places.ts'
import { type PageCut, type Piece, heldBytes } from './read-window.ts'
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
/** Bounds on the window of each of very many downloads; a check page of a large copy can still be
 *  longer. */
const crowdedWindowBytes = limits.readWindowBytes / 4
const crowdedPiecesMax = windowPiecesMax / 4
/** Downloads of this process that read at a time: some hundred megabytes. */
const places = createPlaces(64)
/** A chunk of each download waits for its client: their size, and that while there are at least
 *  `crowdedChunksMin` downloads. */
const crowdedChunkBytes = 64 * 1024
const crowdedChunksMin = 256
const empty = Buffer.alloc(0)

/** Downloads in progress in this process, reading or not. */
let downloads = 0

/** Whether so many downloads read that each must use less memory. They then overlap with each
 *  other's disk reads, so reading ahead would gain nothing. */
function isCrowded(): boolean {
  return places.count() > limits.readAheadDownloadsMax
}

/** Yields segments in order from byte `start` on; what is before it may be placeholders of the same
 *  length. Called again for the rest of a download that had to give its place up. */
export type SegmentsFrom = (start: number) => SegmentBatches

export interface EmittedRange {
  start: number
  /** Infinity: to the end. */
  end: number
  signal?: AbortSignal | undefined
  /** Whose download it is, such as the id of a project: owners take turns when there are very many
   *  downloads. */
  owner?: number
}

/** Yields the bytes `[start, end)` in chunks of 256 KiB, or of 64 KiB while there are very many
 *  downloads (the last may be shorter), each verified before it is yielded. Ends early only by
 *  throwing. Errors: blob_damaged (the copy is marked first). */
export async function* emit(
  reader: Reader,
  segmentsFrom: SegmentsFrom,
  { start, end, signal, owner = 0 }: EmittedRange,
): AsyncGenerator<Buffer> {
  downloads += 1
  try {
    for (let position = start; position < end;) {
      const place = await places.take(owner, signal)
      const chunks = readOut(reader, segmentsFrom(position), { start: position, end, signal })
      try {
        do {
          const { value: chunk, done } = await chunks.next()
          if (done === true) return
          position += chunk.length
          if (position === end || place.isOver()) {
            await chunks.return(undefined)
            place.end()
            yield chunk
            break
          }
          place.waitForClient(async () => void (await chunks.return(undefined)))
          yield chunk
        } while (place.resume())
      } finally {
        await chunks.return(undefined)
        place.end()
      }
    }
  } finally {
    downloads -= 1
  }
}

function readOut(
  reader: Reader,
  batches: SegmentBatches,
  { start, end, signal }: Omit<EmittedRange, 'owner'>,
): AsyncGenerator<Buffer> {
  const windows = cutWindows(sliceSegments(batches, start, end))
  const memoryFor = createWindowMemory()
  const load: Load = (window, isAhead) =>
    loadWindow(reader, window, { memoryFor: (bytes) => memoryFor(bytes, isAhead), signal })
  const bytesOf = (): number => (downloads < crowdedChunksMin ? chunkBytes : crowdedChunkBytes)
  return coalesce(loadAhead(windows, load), end - start, bytesOf)
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
        const [bytesMax, piecesMax] = isCrowded()
          ? [crowdedWindowBytes, crowdedPiecesMax]
          : [limits.readWindowBytes, windowPiecesMax]
        const isOver = windowBytes + heldBytes(piece) > bytesMax && !isNegligible(piece, last)
        if (window.length > 0 && (isOver || window.length >= piecesMax)) {
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
