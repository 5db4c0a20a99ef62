/** Chunks that are worth a system call: small pieces are copied together, large ones pass as they are. */

const KiB = 1024
/** Pieces are copied together into chunks of this size. */
const chunkBytes = 256 * KiB
/** A piece of this size, or what is left of one when a chunk is full, is handed on without copying. */
const passBytesMin = 128 * KiB
const empty = Buffer.alloc(0)

/** Makes chunks of 128 KiB to 1 MiB (the last may be shorter) out of pieces of any size up to 1 MiB. A source that ends
 *  before or after `lengthBytes` contradicts what was announced, which is a bug and throws. Takes the pieces out of the
 *  arrays it is given, so that a window is let go before the next one is read. */
export async function* coalesce(
  source: AsyncIterable<Buffer[]>,
  lengthBytes: number,
): AsyncGenerator<Buffer> {
  let remaining = lengthBytes
  let chunk = empty
  let filled = 0
  for await (const pieces of source) {
    for (let index = 0; index < pieces.length; index++) {
      let piece = pieces[index]!
      pieces[index] = empty
      remaining -= piece.length
      if (remaining < 0) {
        throw new Error(`a range of ${lengthBytes} bytes is ${-remaining} too long`)
      }
      while (piece.length > 0) {
        if (filled === 0 && piece.length >= passBytesMin) {
          yield piece
          piece = empty
          continue
        }
        if (filled === 0) chunk = Buffer.allocUnsafe(Math.min(chunkBytes, piece.length + remaining))
        const copied = piece.copy(chunk, filled)
        filled += copied
        piece = copied === piece.length ? empty : piece.subarray(copied)
        if (filled < chunk.length) continue
        yield chunk
        chunk = empty
        filled = 0
      }
    }
  }
  if (remaining > 0) throw new Error(`a range of ${lengthBytes} bytes is ${remaining} too short`)
}
