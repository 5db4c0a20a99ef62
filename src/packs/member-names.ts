/** Names of pack members: the first 16 bytes of the blob's digest in base64url, 22 characters instead of hex's 64, since
 *  each stands in the pack twice (DESIGN §4). A name that occurs again in the pack gets `.1`, `.2` and so on. */
import { type Digest, digestToBytes } from '../core/digest.ts'

/** 22 characters, a dot, and a number below 10 million. */
export const memberNameBytesMax = 30

const prefixBytes = 16
/** A slot is 12 bytes: two words of the digest, and how often they occurred (0: the slot is free). */
const slotWords = 3

/** What the names of a blob's copies begin with. */
export function memberNamePrefix(digest: Digest): string {
  return prefixOf(digest).toString('base64url')
}

function prefixOf(digest: Digest): Buffer {
  return digestToBytes(digest).subarray(0, prefixBytes)
}

/** Gives out the names of one pack. Holds at most 48 bytes a member, so a million of them are no strain. */
export interface MemberNames {
  nameOf(digest: Digest): string
  /** Whether `name` is what the next member must be called that shares its first 22 characters. Counts as a turn. */
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

/** Counts how often a prefix came, by its first 8 bytes in an open-addressed table: a Map of a million strings would
 *  take ten times as much. Two prefixes that share 8 bytes share a count, which costs the second a needless suffix. */
function createTurnCounter(): { next(prefix: Buffer): number } {
  let slots = new Uint32Array(slotWords * 1024)
  let used = 0

  /** The index of the slot that holds these words, or of the free one where they belong. */
  function find(first: number, second: number): number {
    const slotCount = slots.length / slotWords
    // Digests are uniform, so their bits are hash enough.
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
