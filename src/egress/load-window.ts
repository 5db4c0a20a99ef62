/** Reads the pages of a window from packs, and checks each against its stored CRC. */
import { placeOf } from '../core/bytes/copy.ts'
import { blobDamaged, hasCode, type StoreError } from '../core/errors.ts'
import { arePagesIntact } from '../packs/format/page-checks.ts'
import {
  type PackRead,
  type PageCut,
  type Piece,
  packOffset,
  pageBytes,
  planReads,
} from './read-window.ts'
import type { Reader } from './reader.ts'

/** Concurrent reads of one window. */
const readsAtOnce = 4

/** Reads the pages of a window; returns its pieces in order. Errors: blob_damaged (the copy is
 *  marked first). */
export async function loadWindow(
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
