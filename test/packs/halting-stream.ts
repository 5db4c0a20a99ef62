/** A crafted deflate stream that has yielded all of its content but stops within its last block,
 *  whose code for the end of the block begins like `03 00`. So our final block seems to end it
 *  correctly, but nothing else can follow it. */

const endOfBlock = 256
const symbols = 286
/** RFC 1951 §3.2.7. */
const lengthOrder = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]

/** `content` must end with several equal bytes: as many as it takes to stop at a byte boundary. */
export function haltingStream(content: Buffer): Buffer {
  const last = content.at(-1)!
  const lengths = codeLengths(last)
  const block = createBits()
  // A final block with its own codes: 286 for literals and lengths, one for distances.
  block.number(1, 1)
  block.number(2, 2)
  block.number(symbols - 257, 5)
  block.number(0, 5)
  const ofLengths = [2, 3, 3, 0, 0, 0, 0, 0, 0, 2, 2, ...Array<number>(8).fill(0)]
  const count = lengthOrder.findLastIndex((length) => ofLengths[length] !== 0) + 1
  block.number(count - 4, 4)
  for (const length of lengthOrder.slice(0, count)) block.number(ofLengths[length]!, 3)
  for (const length of [...lengths, 1]) block.code(codesOf(ofLengths)[length]!, ofLengths[length]!)
  let own = 0
  for (; block.count() % 8 !== 0; own++) block.code(codesOf(lengths)[last]!, 1)
  const before = content.subarray(0, content.length - own)
  if (!content.subarray(before.length).every((byte) => byte === last))
    throw new RangeError(`content must end with ${own} equal bytes`)
  return Buffer.concat([storedBlock(before), block.bytes()])
}

/** One bit for `last`, `110000000` for the end of the block, and enough others to make the code
 *  complete. */
function codeLengths(last: number): number[] {
  const lengths = Array<number>(symbols).fill(0)
  lengths[last] = 1
  lengths[last === 0 ? 1 : 0] = 2
  lengths.fill(9, endOfBlock)
  let left = 196
  for (let symbol = 0; left > 0; symbol++) {
    if (lengths[symbol] !== 0) continue
    lengths[symbol] = 10
    left -= 1
  }
  return lengths
}

/** RFC 1951 §3.2.2. */
function codesOf(lengths: readonly number[]): number[] {
  const codes: number[] = []
  let next = 0
  for (let length = 1; length <= 15; length++) {
    for (const [symbol, each] of lengths.entries()) if (each === length) codes[symbol] = next++
    next *= 2
  }
  return codes
}

function storedBlock(bytes: Buffer): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt16LE(bytes.length, 1)
  head.writeUInt16LE(bytes.length ^ 0xffff, 3)
  return Buffer.concat([head, bytes])
}

function createBits(): {
  number(value: number, bits: number): void
  code(value: number, bits: number): void
  count(): number
  bytes(): Buffer
} {
  const all: number[] = []
  return {
    number: (value, bits) => {
      for (let bit = 0; bit < bits; bit++) all.push((value >> bit) & 1)
    },
    code: (value, bits) => {
      for (let bit = bits - 1; bit >= 0; bit--) all.push((value >> bit) & 1)
    },
    count: () => all.length,
    bytes: () => {
      const bytes = Buffer.alloc(all.length / 8)
      for (const [at, bit] of all.entries()) bytes[at >> 3]! |= bit << (at & 7)
      return bytes
    },
  }
}
