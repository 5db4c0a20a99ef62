/** Names of pack members: the first 16 bytes of the blob's digest in base64url, 22 characters
 *  instead of the 64 of the digest in hex, because each name occurs twice in the pack (DESIGN §4).
 *  If a name occurs again in the pack, it gets the suffix `.1`, `.2` and so on. */
import { type Digest, digestToBytes } from '../../core/bytes/digest.ts'

/** 22 characters, a dot, and a number below 10 million. */
export const memberNameBytesMax = 30

const prefixBytes = 16
/** A slot is three words, 12 bytes: two of the digest and the number of occurrences (0: the slot is
 *  free). */
const slotWords = 3

/** The common prefix of the names of a blob's copies. */
export function memberNamePrefix(digest: Digest): string {
  return prefixOf(digest).toString('base64url')
}

function prefixOf(digest: Digest): Buffer {
  return digestToBytes(digest).subarray(0, prefixBytes)
}

/** Assigns the names of one pack. Takes at most 48 bytes per member, so a million members are no
 *  problem. */
export interface MemberNames {
  nameOf(digest: Digest): string
  /** Whether `name` is the next name in turn for its prefix. Counts as an occurrence. */
  accepts(name: string): boolean
}

export function createMemberNames(): MemberNames {
  const turns = createTurnCounter()
  const nameOfPrefix = (prefix: Buffer): string => {
    const turn = turns.next(prefix)
    const name = prefix.toString('base64url')
    return turn === 0 ? name : `${name}.${turn}`
  }
  return {
    nameOf: (digest) => nameOfPrefix(prefixOf(digest)),
    accepts: (name) => {
      const prefix = Buffer.from(name.slice(0, 22), 'base64url')
      return prefix.length === prefixBytes && nameOfPrefix(prefix) === name
    },
  }
}

/** Counts the occurrences of each prefix, keyed by its first 8 bytes, in an open-addressed table; a
 *  Map of a million strings would take ten times the memory. Two prefixes with the same 8 bytes
 *  share a count, which only gives the second a needless suffix. */
function createTurnCounter(): { next(prefix: Buffer): number } {
  let slots = new Uint32Array(slotWords * 1024)
  let used = 0

  /** Returns the index of the slot that holds these words, or of the free one where they belong. */
  function find(first: number, second: number): number {
    const slotCount = slots.length / slotWords
    // Digests are uniformly distributed, so their bits serve as the hash.
    let slot = first & (slotCount - 1)
    for (;;) {
      const at = slot * slotWords
      if (slots[at + 2] === 0 || (slots[at] === first && slots[at + 1] === second)) return at
      slot = (slot + 1) & (slotCount - 1)
    }
  }

  function grow(): void {
    const old = slots
    slots = new Uint32Array(old.length * 2)
    for (let at = 0; at < old.length; at += slotWords) {
      if (old[at + 2] === 0) continue
      slots.set(old.subarray(at, at + slotWords), find(old[at] as number, old[at + 1] as number))
    }
  }

  return {
    next: (prefix) => {
      if (used * 2 * slotWords >= slots.length) grow()
      const first = prefix.readUInt32LE(0)
      const second = prefix.readUInt32LE(4)
      const at = find(first, second)
      const turn = slots[at + 2] as number
      if (turn === 0) {
        slots[at] = first
        slots[at + 1] = second
        used++
      }
      slots[at + 2] = turn + 1
      return turn
    },
  }
}
