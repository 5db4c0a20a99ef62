/** Numbers and files that are random but reproducible from a seed: the material of the models. */
import { createHash } from 'node:crypto'

/** Uniform in [0, 1); the same seed returns the same numbers. */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** File number `which`: most are small, a few are cut by content, some are compressible. */
export function contentOf(which: number): Buffer {
  const sizes = [0, 10, 700, 4000, 30_000, which % 7 === 0 ? 400_000 : 9000]
  const bytes = sizes[which % sizes.length]!
  const pieces: Buffer[] = []
  for (let at = 0; at < bytes; at += 64) {
    const seed = which % 2 === 0 ? `${which} ${at}` : `${which} ${at % 1024}`
    pieces.push(createHash('sha512').update(seed).digest())
  }
  return Buffer.concat(pieces).subarray(0, bytes)
}
