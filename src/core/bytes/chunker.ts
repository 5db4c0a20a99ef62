/** Content-defined chunking with FastCDC (Xia et al., ATC 2016 and TPDS 2020) and a 32-bit gear
 *  hash. A chunk ends where a hash of its last 32 bytes has certain bits zero, so equal content is
 *  cut equally at any offset. Chunks are at least `minBytes` (except the last) and at most
 *  `maxBytes` long. Below `averageBytes` a cut is four times less likely, and above it four times
 *  more likely, than in plain CDC (normalization level 2), which concentrates chunk lengths around
 *  the average. Changing where cuts fall stops new uploads from deduplicating against stored
 *  chunks. */
import { deflateRawSync } from 'node:zlib'
import {
  type ChunkSizes,
  coarseChunkSizes,
  createFileCutFinder,
  hasCompressedHead,
} from './cut-points.ts'

/** Cuts the content of one file, fed in pieces of any size. */
export interface Chunker {
  /** Returns the chunks that `bytes` completes, in order, each owning its memory. The caller may
   *  reuse `bytes` afterwards. */
  push(bytes: Uint8Array): Buffer[]
  /** Returns the last chunk, or undefined when no bytes remain, as for empty content. */
  finish(): Buffer | undefined
}

/** Cut points depend on the content only, not on how it is split into pieces. Holds one chunk in
 *  memory. */
export function createChunker(sizes: ChunkSizes, coarseAfterBytes?: number): Chunker {
  const findEnd = createFileCutFinder(sizes, coarseAfterBytes)
  let held = Buffer.allocUnsafeSlow(sizes.maxBytes)
  let heldBytes = 0

  function hold(bytes: Uint8Array): void {
    if (heldBytes + bytes.length > held.length) {
      const larger = Buffer.allocUnsafeSlow(coarseChunkSizes.maxBytes)
      larger.set(held.subarray(0, heldBytes))
      held = larger
    }
    held.set(bytes, heldBytes)
    heldBytes += bytes.length
  }

  function take(bytes: Uint8Array, start: number, end: number): Buffer {
    const chunk = Buffer.allocUnsafeSlow(heldBytes + end - start)
    chunk.set(held.subarray(0, heldBytes))
    chunk.set(bytes.subarray(start, end), heldBytes)
    heldBytes = 0
    return chunk
  }

  return {
    push: (bytes) => {
      const chunks: Buffer[] = []
      let start = 0
      for (;;) {
        const end = findEnd(bytes, start, heldBytes)
        if (end === undefined) break
        chunks.push(take(bytes, start, end))
        start = end
      }
      hold(bytes.subarray(start))
      return chunks
    },
    finish: () => (heldBytes === 0 ? undefined : take(held, 0, 0)),
  }
}

/** Yields the chunks of `source`, in order, each owning its memory; empty content yields none.
 *  Holds one piece of `source`, one chunk, and the chunks of the next `sizes.maxBytes` of that
 *  piece. */
export async function* cutChunks(
  source: AsyncIterable<Uint8Array>,
  sizes: ChunkSizes,
): AsyncGenerator<Buffer, void, undefined> {
  const chunker = createChunker(sizes)
  for await (const piece of source) {
    // Large pieces are pushed in windows, so that their chunks do not all exist at once.
    for (let start = 0; start < piece.length; start += sizes.maxBytes) {
      yield* chunker.push(piece.subarray(start, start + sizes.maxBytes))
    }
  }
  const last = chunker.finish()
  if (last !== undefined) yield last
}

/** Reports whether content that begins with `sample` is already compressed (DESIGN §4): it has a
 *  known magic number, or the sample shrinks by less than 3 % when deflated. Reads at most
 *  64 KiB, about 1 ms of work. A sample under 1 KiB is too short to deflate and counts as
 *  uncompressed unless its magic number is known. */
export function isCompressed(sample: Uint8Array): boolean {
  if (hasCompressedHead(sample)) return true
  if (sample.length < 1024) return false
  const tried = sample.subarray(0, 64 * 1024)
  return deflateRawSync(tried, { level: 1 }).length > tried.length * 0.97
}
