/** A tiny deflate encoder: one block of fixed Huffman codes, whose only matches are runs of NUL
 *  bytes. Tar headers are mostly NULs, so this shrinks them from 512 bytes to about 80 plus the
 *  name.
 *
 *  It is our own because the bytes of a tar.gz must never change, which zlib does not guarantee
 *  between versions. Only NULs are matched, so the digits of times, checksums and sizes take 8 bits
 *  each whatever they are: the length of an encoded header depends on where its fields end, never
 *  on when a file was modified. RFC 1951 §3.2.6. */

/** Longest match. RFC 1951 §3.2.5. */
const matchBytesMax = 258
const matchBytesMin = 3
const endOfBlock = 256
const distanceBits = 5

/** Codes in the order in which they are written, first bit lowest, and their lengths, for the 286
 *  symbols. */
const { codes, codeBits } = buildCodes()
/** For each match length: its symbol, and its extra bits. */
const { lengthSymbols, lengthExtra, lengthExtraBits } = buildLengths()

/** Encodes `bytes` as one deflate block that ends at a byte boundary. `open`: more of the stream
 *  follows (an empty stored block aligns it, like a sync flush). `final`: the stream ends here. */
export function encodeFixedBlock(bytes: Uint8Array, ending: 'open' | 'final'): Buffer {
  // No symbol is longer than 9 bits; block header, end of block and alignment take less than 8
  // bytes.
  const out = Buffer.allocUnsafe(Math.ceil((bytes.length * 9) / 8) + 8)
  let length = 0
  let held = 0
  let heldBits = 0
  const put = (value: number, bits: number): void => {
    held |= value << heldBits
    heldBits += bits
    while (heldBits >= 8) {
      out[length++] = held & 0xff
      held >>>= 8
      heldBits -= 8
    }
  }
  const putSymbol = (symbol: number): void => put(codes[symbol]!, codeBits[symbol]!)

  put(ending === 'final' ? 1 : 0, 1)
  put(1, 2)
  let at = 0
  while (at < bytes.length) {
    putSymbol(bytes[at]!)
    if (bytes[at++] !== 0) continue
    const runEnd = endOfRun(bytes, at)
    while (runEnd - at >= matchBytesMin) {
      const match = Math.min(runEnd - at, matchBytesMax)
      putSymbol(lengthSymbols[match]!)
      put(lengthExtra[match]!, lengthExtraBits[match]!)
      // Distance 1 is distance code 0: five bits, no extra bits.
      put(0, distanceBits)
      at += match
    }
  }
  putSymbol(endOfBlock)
  if (ending === 'open') put(0, 3)
  if (heldBits > 0) put(0, 8 - heldBits)
  if (ending === 'open') {
    out.writeUInt32LE(0xffff0000, length)
    length += 4
  }
  return out.subarray(0, length)
}

/** The length of bytes, not beginning with NUL, in a block: the bits up to any trailing NULs, and
 *  the number of these. */
export interface FixedLength {
  lengthBytes: number
  bits: number
  nuls: number
}

export function measureFixed(bytes: Uint8Array): FixedLength {
  let bits = 0
  for (let at = 0; at < bytes.length;) {
    if (bytes[at] !== 0) {
      bits += codeBits[bytes[at++]!]!
      continue
    }
    const end = endOfRun(bytes, at)
    if (end === bytes.length) return { lengthBytes: bytes.length, bits, nuls: end - at }
    bits += runBits(end - at)
    at = end
  }
  return { lengthBytes: bytes.length, bits, nuls: 0 }
}

/** Bits that encode a run of NULs: a literal, matches, and literals for a remainder too short for a
 *  match. */
function runBits(count: number): number {
  if (count === 0) return 0
  let bits = codeBits[0]!
  let left = count - 1
  for (; left >= matchBytesMin; left -= Math.min(left, matchBytesMax)) {
    const match = Math.min(left, matchBytesMax)
    bits += codeBits[lengthSymbols[match]!]! + lengthExtraBits[match]! + distanceBits
  }
  return bits + left * codeBits[0]!
}

/** Computes the length of `encodeFixedBlock`'s output without the bytes: because only NULs are
 *  matched, the lengths of pieces add up, except where a run continues from one to the next. */
export interface FixedMeter {
  /** Bytes added since the last block. */
  readonly lengthBytes: number
  add(piece: FixedLength): void
  addNuls(count: number): void
  /** Returns the length of the block of everything added, and begins the next one. */
  takeBlock(ending: 'open' | 'final'): number
}

export function createFixedMeter(): FixedMeter {
  let lengthBytes = 0
  let bits = 0
  let nuls = 0
  return {
    get lengthBytes() {
      return lengthBytes
    },
    add: (piece) => {
      bits += runBits(nuls) + piece.bits
      nuls = piece.nuls
      lengthBytes += piece.lengthBytes
    },
    addNuls: (count) => {
      nuls += count
      lengthBytes += count
    },
    takeBlock: (ending) => {
      const blockBits = 3 + bits + runBits(nuls) + codeBits[endOfBlock]!
      lengthBytes = 0
      bits = 0
      nuls = 0
      // An empty stored block: three bits, alignment, four bytes.
      return ending === 'final' ? Math.ceil(blockBits / 8) : Math.ceil((blockBits + 3) / 8) + 4
    },
  }
}

/** Returns the end of the run of NULs that begins at `start`. */
function endOfRun(bytes: Uint8Array, start: number): number {
  let end = start
  while (end < bytes.length && bytes[end] === 0) end += 1
  return end
}

function buildCodes(): { codes: Uint16Array; codeBits: Uint8Array } {
  const table = { codes: new Uint16Array(286), codeBits: new Uint8Array(286) }
  const fill = (first: number, last: number, firstCode: number, bits: number): void => {
    for (let symbol = first; symbol <= last; symbol++) {
      table.codes[symbol] = reverse(firstCode + symbol - first, bits)
      table.codeBits[symbol] = bits
    }
  }
  fill(0, 143, 0b0011_0000, 8)
  fill(144, 255, 0b1_1001_0000, 9)
  fill(256, 279, 0, 7)
  fill(280, 285, 0b1100_0000, 8)
  return table
}

/** Huffman codes are written from their highest bit on, everything else from the lowest. RFC 1951
 *  §3.1.1. */
function reverse(code: number, bits: number): number {
  let reversed = 0
  for (let bit = 0; bit < bits; bit++) reversed |= ((code >>> bit) & 1) << (bits - 1 - bit)
  return reversed
}

function buildLengths(): {
  lengthSymbols: Uint16Array
  lengthExtra: Uint8Array
  lengthExtraBits: Uint8Array
} {
  const size = matchBytesMax + 1
  const table = {
    lengthSymbols: new Uint16Array(size),
    lengthExtra: new Uint8Array(size),
    lengthExtraBits: new Uint8Array(size),
  }
  let length = matchBytesMin
  for (let symbol = 257; symbol < 285; symbol++) {
    // Eight symbols without extra bits, then four with one, four with two, and so on up to five.
    const extraBits = symbol < 265 ? 0 : Math.floor((symbol - 261) / 4)
    for (let extra = 0; extra < 1 << extraBits; extra++, length++) {
      table.lengthSymbols[length] = symbol
      table.lengthExtra[length] = extra
      table.lengthExtraBits[length] = extraBits
    }
  }
  // 258 has a symbol of its own instead of 284 with the last extra value.
  table.lengthSymbols[matchBytesMax] = 285
  table.lengthExtra[matchBytesMax] = 0
  table.lengthExtraBits[matchBytesMax] = 0
  return table
}
