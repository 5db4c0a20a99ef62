/** What is put behind a stream to see whether it joins. A stream can be made so that a follower which its maker knows
 *  reads as if it joined (one that stops within a block whose own codes give the follower's bits their meaning), and
 *  everything else behind it is lost. So the content is random, and one block of fixed codes (RFC 1951 §3.2.6) that ends
 *  with the first bit of its last byte: no code of 286 symbols has all of its codes, so nothing but a decoder at which a
 *  block begins takes these bytes for this content. */
import { randomInt } from 'node:crypto'
import { constants, deflateRawSync } from 'node:zlib'

export interface Follower {
  content: Buffer
  /** Raw deflate of it, whole. */
  stream: Buffer
  /** The same and a byte that is not part of it. */
  streamAndMore: Buffer
  /** Room for the content and a byte more, for whoever inflates next. */
  followed: Buffer
}

let made: Follower | undefined

/** That of this thread. */
export function followerOf(): Follower {
  made ??= makeFollower()
  return made
}

const contentBytes = 12
/** 3 bits of header, 5 codes of 8 bits, 7 of 9, and 7 bits of end. */
const streamBytes = 15
/** The first byte whose code has 9 bits. */
const firstLong = 144

function makeFollower(): Follower {
  for (;;) {
    const content = Buffer.from(
      Array.from({ length: contentBytes }, (_, index) =>
        index % 2 === 0 || index === 1 ? randomInt(firstLong, 256) : randomInt(firstLong),
      ),
    )
    const stream = deflateRawSync(content, { strategy: constants.Z_FIXED })
    // Shorter with a match, which bytes in a row hardly ever make.
    if (stream.length !== streamBytes) continue
    const streamAndMore = Buffer.concat([stream, Buffer.alloc(1)])
    return { content, stream, streamAndMore, followed: Buffer.alloc(content.length + 1) }
  }
}
