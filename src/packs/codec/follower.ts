/** The follower: a stream that is put behind another to test whether that one joins. A crafted
 *  stream could make a known follower decode correctly (by stopping within a block whose own codes
 *  give the follower's bits their meaning) while everything else behind it is lost. So the
 *  follower's content is random, in one block of fixed codes (RFC 1951 §3.2.6) that ends with the
 *  first bit of its last byte. No code of 286 symbols contains all the fixed codes, so only a
 *  decoder at the start of a block decodes these bytes to this content. */
import { randomInt } from 'node:crypto'
import { constants, deflateRawSync } from 'node:zlib'

export interface Follower {
  content: Buffer
  /** The content as a complete raw deflate stream. */
  stream: Buffer
  /** The stream, followed by a byte that is not part of it. */
  streamAndMore: Buffer
  /** Output buffer for the content and one more byte. */
  followed: Buffer
}

let made: Follower | undefined

/** Returns this thread's follower. */
export function followerOf(): Follower {
  made ??= makeFollower()
  return made
}

const contentBytes = 12
/** 3 bits of header, 5 codes of 8 bits, 7 codes of 9 bits, and 7 bits for the end of the block. */
const streamBytes = 15
/** The first byte value whose fixed code has 9 bits. */
const firstLong = 144

function makeFollower(): Follower {
  for (;;) {
    const content = Buffer.from(
      Array.from({ length: contentBytes }, (_, index) =>
        index % 2 === 0 || index === 1 ? randomInt(firstLong, 256) : randomInt(firstLong),
      ),
    )
    const stream = deflateRawSync(content, { strategy: constants.Z_FIXED })
    // It is shorter when zlib found a match, which random bytes hardly ever contain.
    if (stream.length !== streamBytes) continue
    const streamAndMore = Buffer.concat([stream, Buffer.alloc(1)])
    return { content, stream, streamAndMore, followed: Buffer.alloc(content.length + 1) }
  }
}
