/** Skeletons: everything in an uploaded zip that is not member data, so that zip = skeleton +
 *  streams, byte for byte.
 *
 *  A skeleton is a list of pages. Member pages hold the local and the central header of each
 *  member, in local-header order. Fields that can be computed from the stream (CRC, sizes) or
 *  from the position (offset) are omitted where they have the expected value and kept raw where
 *  they do not, so any layout survives. Tail pages hold literal bytes that follow the last
 *  member: the end records, and the whole central directory when its order differs from that of
 *  the local headers. */
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import {
  type PackedMember,
  type PreviousMember,
  type SkeletonMember,
  type StreamFacts,
  readMember,
  writeMember,
} from './skeleton-member.ts'
import { createByteReader, createByteWriter } from '../bytes/varint.ts'

export type DecodedSkeletonPage =
  | { kind: 'members'; members: PackedMember[] }
  | { kind: 'tail'; bytes: Buffer }

const membersTag = 1
const tailTag = 2
/** Encodes members in local-header order. `facts[i]` belongs to `members[i]`. */
export function encodeMembersPage(members: SkeletonMember[], facts: StreamFacts[]): Buffer {
  const out = createByteWriter(members.length * 96 + 16)
  out.byte(membersTag)
  out.varint(members.length)
  let previous: PreviousMember = { name: Buffer.alloc(0), streamId: 0 }
  members.forEach((member, index) => {
    previous = writeMember(out, member, facts[index]!, previous)
  })
  return deflateRawSync(out.bytes(), { level: 9 })
}

export function encodeTailPage(bytes: Uint8Array): Buffer {
  return deflateRawSync(Buffer.concat([Buffer.from([tailTag]), bytes]), { level: 9 })
}

export function decodeSkeletonPage(bytes: Uint8Array): DecodedSkeletonPage {
  const plain = inflateRawSync(bytes)
  if (plain[0] === tailTag) return { kind: 'tail', bytes: plain.subarray(1) }
  if (plain[0] !== membersTag) throw new RangeError(`unknown skeleton page tag ${plain[0]}`)
  const reader = createByteReader(plain.subarray(1))
  const count = reader.varint()
  const members: PackedMember[] = []
  let previous: PreviousMember = { name: Buffer.alloc(0), streamId: 0 }
  for (let index = 0; index < count; index++) {
    const read = readMember(reader, previous)
    previous = read.previous
    members.push(read.member)
  }
  return { kind: 'members', members }
}
