/** Makes chunks that are worth a system call: copies small pieces together and passes large ones
 *  through. */

const KiB = 1024
/** Small pieces are copied together into chunks of this size. */
const chunkBytes = 256 * KiB
/** A piece of at least this size, or the remainder of one after a chunk was filled, is passed
 *  through without copying. */
const passBytesMin = 128 * KiB
const empty = Buffer.alloc(0)

/** Makes chunks of 128 KiB to 1 MiB (the last may be shorter) from pieces of any size up to 1 MiB.
 *  A source with more or less than `lengthBytes` contradicts what was announced, which is a bug and
 *  throws. Removes the pieces from the given arrays, so that a window is freed before the next one
 *  is read. */
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
