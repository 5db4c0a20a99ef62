/** Content-defined cut points: FastCDC (Xia et al., ATC 2016 and TPDS 2020) with a 32-bit gear hash. A chunk ends where
 *  a hash of its last 32 bytes has certain bits zero, so equal content is cut equally wherever it lies. Chunks are at
 *  least `minBytes` (but for the last) and at most `maxBytes` long. Below `averageBytes` a cut is four times rarer, and
 *  above it four times likelier, than plain CDC would have it (normalization 2), which gathers lengths about the average.
 *  Where cuts fall decides what dedups with what is stored already: a change here makes old chunks useless. */
import { deflateRawSync } from 'node:zlib'
import {
  type ChunkSizes,
  chunkSizes,
  coarseChunkSizes,
  createFileCutFinder,
  hasCompressedHead,
} from './cut-points.ts'
import { limits } from './limits.ts'

/** Cuts the content of one file, given in pieces of any size. */
export interface Chunker {
  /** The chunks that `bytes` completes, in order, each owning its memory. `bytes` may be reused afterwards. */
  push(bytes: Uint8Array): Buffer[]
  /** The last chunk; undefined when nothing is left of the content, so for no content at all too. */
  finish(): Buffer | undefined
}

/** Cuts by content; where the cuts fall does not depend on how the content is split into pieces. Holds one chunk. */
export function createChunker(sizes: ChunkSizes = chunkSizes, coarseAfterBytes?: number): Chunker {
  let findEnd = createFileCutFinder(sizes, coarseAfterBytes)
  let held = Buffer.allocUnsafeSlow(sizes.maxBytes)
  let heldBytes = 0

  function hold(bytes: Uint8Array): void {
    if (heldBytes + bytes.length > held.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(sizes.maxBytes, coarseChunkSizes.maxBytes))
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
    finish: () => {
      findEnd = createFileCutFinder(sizes, coarseAfterBytes)
      return heldBytes === 0 ? undefined : take(held, 0, 0)
    },
  }
}

/** The chunks of `source`, in order, each owning its memory. Holds one piece of `source` and one chunk beside the chunks
 *  of that piece's next `sizes.maxBytes`. No content has no chunks. */
export async function* cutChunks(
  source: AsyncIterable<Uint8Array>,
  sizes: ChunkSizes = chunkSizes,
): AsyncGenerator<Buffer, void, undefined> {
  const chunker = createChunker(sizes)
  for await (const piece of source) {
    // A piece of any size is taken in by windows, so that not all its chunks exist at once.
    for (let start = 0; start < piece.length; start += sizes.maxBytes) {
      yield* chunker.push(piece.subarray(start, start + sizes.maxBytes))
    }
  }
  const last = chunker.finish()
  if (last !== undefined) yield last
}

/** Whether content that begins with `sample` is compressed already (DESIGN §4): it says so by its first bytes, or the
 *  sample deflates by under 3 %. Looks at no more than `limits.compressedSampleBytes`, for about 1 ms. A sample too
 *  short to tell (under 1 KiB) is taken for not compressed unless its first bytes say so. */
export function isCompressed(sample: Uint8Array): boolean {
  const head = Buffer.from(sample.buffer, sample.byteOffset, sample.byteLength)
  if (hasCompressedHead(sample)) return true
  if (head.length < 1024) return false
  const tried = head.subarray(0, limits.compressedSampleBytes)
  return deflateRawSync(tried, { level: 1 }).length > tried.length * 0.97
}
