/** Incremental SHA-256 (FIPS 180-4). `crypto.subtle` cannot hash a stream, and is absent on
 *  insecure origins. Runs in workers at about 200 MB/s. */

const constants = /* @__PURE__ */ firstBitsOfRoots()

/** The first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
function firstBitsOfRoots(): Uint32Array {
  const found = new Uint32Array(64)
  for (let candidate = 2, count = 0; count < 64; candidate++) {
    let isPrime = true
    for (let divisor = 2; divisor * divisor <= candidate; divisor++)
      if (candidate % divisor === 0) isPrime = false
    if (isPrime) found[count++] = (Math.cbrt(candidate) % 1) * 2 ** 32
  }
  return found
}

export interface Sha256 {
  update(bytes: Uint8Array): void
  /** Returns the 32 bytes; the hasher cannot be used afterwards. */
  digest(): Uint8Array
}

export function createSha256(): Sha256 {
  const state = Uint32Array.of(
    0x6a09e667,
    0xbb67ae85,
    0x3c6ef372,
    0xa54ff53a,
    0x510e527f,
    0x9b05688c,
    0x1f83d9ab,
    0x5be0cd19,
  )
  const block = new Uint8Array(64)
  const words = new Int32Array(64)
  let filled = 0
  let total = 0
  const update = (bytes: Uint8Array): void => {
    total += bytes.length
    let at = 0
    if (filled > 0) {
      at = Math.min(64 - filled, bytes.length)
      block.set(bytes.subarray(0, at), filled)
      filled += at
      if (filled < 64) return
      compress(state, words, block, 0)
      filled = 0
    }
    for (; at + 64 <= bytes.length; at += 64) compress(state, words, bytes, at)
    block.set(bytes.subarray(at), 0)
    filled = bytes.length - at
  }
  return {
    update,
    digest: () => {
      const bits = total * 8
      const tail = new Uint8Array(((filled + 72) & ~63) - filled)
      tail[0] = 0x80
      const view = new DataView(tail.buffer)
      view.setUint32(tail.length - 8, Math.floor(bits / 2 ** 32))
      view.setUint32(tail.length - 4, bits >>> 0)
      update(tail)
      const out = new DataView(new ArrayBuffer(32))
      for (const [index, word] of state.entries()) out.setUint32(index * 4, word)
      return new Uint8Array(out.buffer)
    },
  }
}

function compress(state: Uint32Array, w: Int32Array, bytes: Uint8Array, at: number): void {
  for (let i = 0; i < 16; i++, at += 4)
    w[i] = (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!
  for (let i = 16; i < 64; i++) {
    const x = w[i - 15]!
    const y = w[i - 2]!
    const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3)
    const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10)
    w[i] = (w[i - 16]! + s0 + w[i - 7]! + s1) | 0
  }
  let [a, b, c, d, e, f, g, h] = state as unknown as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  for (let i = 0; i < 64; i++) {
    const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7))
    const t1 = (h + s1 + ((e & f) ^ (~e & g)) + constants[i]! + w[i]!) | 0
    const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10))
    const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0
    h = g
    g = f
    f = e
    e = (d + t1) | 0
    d = c
    c = b
    b = a
    a = (t1 + t2) | 0
  }
  state[0]! += a
  state[1]! += b
  state[2]! += c
  state[3]! += d
  state[4]! += e
  state[5]! += f
  state[6]! += g
  state[7]! += h
}

export function toHex(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0')
  return text
}
