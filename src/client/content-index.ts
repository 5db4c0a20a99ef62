/** Finds files of the same content among hundreds of thousands, in 8 bytes a file: a table of ordinals, placed by the first
 *  bytes of their digests, which are as good as random. A map of digests as text would take some 100 bytes a file. */
export interface ContentIndex {
  /** The ordinal that was added first with the content of `ordinal`: itself, when it is the first. */
  add(ordinal: number): number
}

/** For at most `countMax` files. */
export function createContentIndex(
  countMax: number,
  digestBytes: (ordinal: number) => Buffer,
): ContentIndex {
  const slots = 2 ** Math.ceil(Math.log2(Math.max(16, countMax * 1.5)))
  // Ordinals are kept one higher, so that 0 is an empty slot.
  const table = new Uint32Array(slots)
  return {
    add: (ordinal) => {
      const digest = digestBytes(ordinal)
      for (let slot = digest.readUInt32LE(0) % slots; ; slot = (slot + 1) % slots) {
        const held = table[slot]!
        if (held === 0) {
          table[slot] = ordinal + 1
          return ordinal
        }
        if (digestBytes(held - 1).equals(digest)) return held - 1
      }
    },
  }
}
