/** Makes chunks that are worth a system call out of small pieces. */

export const chunkBytes = 256 * 1024
const empty = Buffer.alloc(0)

/** Yields chunks of 256 KiB, or of what `chunkBytesMax` returns (the last may be shorter), each
 *  owning its memory, from pieces of any size. All pieces of an array are copied before the next
 *  one is requested. A source with more or less than `lengthBytes` contradicts what was announced,
 *  which is a bug and throws; Infinity is any length. */
export async function* coalesce(
  source: AsyncIterable<Buffer[]>,
  lengthBytes: number,
  chunkBytesMax = (): number => chunkBytes,
): AsyncGenerator<Buffer> {
  let remaining = lengthBytes
  let chunk = empty
  let filled = 0
  for await (const pieces of source) {
    for (const piece of pieces) {
      remaining -= piece.length
      if (remaining < 0) {
        throw new Error(`a range of ${lengthBytes} bytes is ${-remaining} too long`)
      }
      for (let at = 0; at < piece.length;) {
        const unfilled = piece.length - at + remaining
        if (filled === 0) chunk = Buffer.allocUnsafe(Math.min(chunkBytesMax(), unfilled))
        const copied = piece.copy(chunk, filled, at)
        filled += copied
        at += copied
        if (filled < chunk.length) continue
        yield chunk
        filled = 0
      }
    }
  }
  if (lengthBytes === Infinity) {
    if (filled > 0) yield chunk.subarray(0, filled)
  } else if (remaining > 0)
    throw new Error(`a range of ${lengthBytes} bytes is ${remaining} too short`)
}
