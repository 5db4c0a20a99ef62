/** Finds files with the same content among hundreds of thousands, in 8 bytes a file: an
 *  open-addressing hash table of ordinals. The slot comes from the first bytes of the digest,
 *  which are as good as random. A map keyed by digest text would take about 100 bytes a file. */

/** Holds at most `countMax` files. Returns a function that adds a file, and returns the ordinal
 *  first added with its content, which is its own if it is the first. */
export function createContentIndex(
  countMax: number,
  digestBytes: (ordinal: number) => Buffer,
): (ordinal: number) => number {
  const slots = 2 ** Math.ceil(Math.log2(Math.max(16, countMax * 1.5)))
  // Ordinals are stored plus one, so that 0 marks an empty slot.
  const table = new Uint32Array(slots)
  return (ordinal) => {
    const digest = digestBytes(ordinal)
    for (let slot = digest.readUInt32LE(0) % slots; ; slot = (slot + 1) % slots) {
      const held = table[slot]!
      if (held === 0) {
        table[slot] = ordinal + 1
        return ordinal
      }
      if (digestBytes(held - 1).equals(digest)) return held - 1
    }
  }
}
