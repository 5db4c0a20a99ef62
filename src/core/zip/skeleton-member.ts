/** One member of a skeleton: its headers, without the fields that follow from its stream and its
 *  position. APPNOTE 4.3.7 (local header), 4.3.9 (data descriptor), 4.3.12 (central header). */
import { asBuffer } from '../bytes/as-buffer.ts'
import { sharedPrefix } from '../bytes/shared-prefix.ts'
import type { ByteReader, ByteWriter } from '../bytes/varint.ts'
import {
  centralFixedBytes,
  escaped32,
  localFixedBytes,
  writeUInt64,
  zipSignature,
} from './zip-records.ts'

/** Facts about a member's stream: CRC-32, stored length and content length. All 0 when there is no
 *  data. */
export interface StreamFacts {
  crc32: number
  storedBytes: number
  sizeBytes: number
}

export interface SkeletonMember {
  /** The stream between local header and descriptor; null when the member has no data. */
  streamId: number | null
  /** Literal bytes between the end of the previous member and this local header; nearly always
   *  empty. */
  gap: Uint8Array
  /** The local header with name and extra field, as uploaded. */
  local: Uint8Array
  /** The data descriptor, when it has a known form; otherwise empty, and its bytes are in the next
   *  gap. */
  descriptor: Uint8Array
  /** The central header with name, extra field and comment; null when the tail holds the central
   *  directory. */
  central: Uint8Array | null
  /** Where the local header begins in the zip. */
  localOffset: number
}

/** A decoded member: its headers, to be completed with the facts of its stream. */
export interface PackedMember {
  streamId: number | null
  gap: Uint8Array
  /** Renders the local header and descriptor as uploaded. */
  renderLocal(facts: StreamFacts): { header: Buffer; descriptor: Buffer }
  /** Renders the central header as uploaded; null when the tail holds the central directory. */
  renderCentral(facts: StreamFacts, localOffset: number): Buffer | null
}

const flag = {
  hasStream: 1,
  hasGap: 2,
  /** Local CRC and sizes are all zero (a descriptor follows), or as expected; otherwise they are
   *  stored raw. */
  localZero: 4,
  localExpected: 8,
  localExtra: 16,
  descriptor32: 32,
  descriptor64: 64,
  hasCentral: 128,
  /** Flags, method, time and date equal the local header's. */
  centralSame: 256,
  centralExpected: 512,
  centralName: 1024,
  centralExtra: 2048,
  centralComment: 4096,
  offsetExpected: 8192,
} as const

/** The data descriptor, with signature, that these facts imply; with 64-bit sizes for ZIP64
 *  members. */
export function expectedDescriptor(facts: StreamFacts, wide: boolean): Buffer {
  const bytes = Buffer.alloc(wide ? 24 : 16)
  bytes.writeUInt32LE(zipSignature.descriptor, 0)
  bytes.writeUInt32LE(facts.crc32, 4)
  if (wide) {
    writeUInt64(bytes, facts.storedBytes, 8)
    writeUInt64(bytes, facts.sizeBytes, 16)
  } else {
    bytes.writeUInt32LE(facts.storedBytes >>> 0, 8)
    bytes.writeUInt32LE(facts.sizeBytes >>> 0, 12)
  }
  return bytes
}

/** The parts of the previous member that the next one is delta-coded against. */
export interface PreviousMember {
  name: Buffer
  streamId: number
}

/** CRC, stored size and size as headers hold them. */
function expectedTriple(facts: StreamFacts): Buffer {
  const bytes = Buffer.alloc(12)
  bytes.writeUInt32LE(facts.crc32, 0)
  bytes.writeUInt32LE(Math.min(facts.storedBytes, escaped32), 4)
  bytes.writeUInt32LE(Math.min(facts.sizeBytes, escaped32), 8)
  return bytes
}

const zeroTriple = Buffer.alloc(12)

function localParts(local: Buffer): {
  fields: Buffer
  triple: Buffer
  name: Buffer
  extra: Buffer
} {
  const nameEnd = localFixedBytes + local.readUInt16LE(26)
  return {
    fields: local.subarray(4, 14),
    triple: local.subarray(14, 26),
    name: local.subarray(localFixedBytes, nameEnd),
    extra: local.subarray(nameEnd),
  }
}

function centralParts(central: Buffer): {
  /** Made by, and needed to extract. */
  versions: Buffer
  fields: Buffer
  triple: Buffer
  name: Buffer
  extra: Buffer
  comment: Buffer
  attributes: Buffer
  offset: Buffer
} {
  const nameEnd = centralFixedBytes + central.readUInt16LE(28)
  const extraEnd = nameEnd + central.readUInt16LE(30)
  return {
    versions: central.subarray(4, 8),
    fields: central.subarray(8, 16),
    triple: central.subarray(16, 28),
    name: central.subarray(centralFixedBytes, nameEnd),
    extra: central.subarray(nameEnd, extraEnd),
    comment: central.subarray(extraEnd),
    attributes: central.subarray(34, 42),
    offset: central.subarray(42, 46),
  }
}

function flagsOf(member: SkeletonMember, facts: StreamFacts): number {
  const local = localParts(asBuffer(member.local))
  let flags = member.streamId === null ? 0 : flag.hasStream
  if (member.gap.length > 0) flags |= flag.hasGap
  if (local.triple.equals(zeroTriple)) flags |= flag.localZero
  else if (local.triple.equals(expectedTriple(facts))) flags |= flag.localExpected
  if (local.extra.length > 0) flags |= flag.localExtra
  if (member.descriptor.length === 16) flags |= flag.descriptor32
  if (member.descriptor.length === 24) flags |= flag.descriptor64
  if (member.central === null) return flags
  const central = centralParts(asBuffer(member.central))
  flags |= flag.hasCentral
  // The local fields begin with the version; flags, method, time and date follow.
  if (central.fields.equals(local.fields.subarray(2))) flags |= flag.centralSame
  if (central.triple.equals(expectedTriple(facts))) flags |= flag.centralExpected
  if (!central.name.equals(local.name)) flags |= flag.centralName
  if (central.extra.length > 0) flags |= flag.centralExtra
  if (central.comment.length > 0) flags |= flag.centralComment
  if (central.offset.readUInt32LE(0) === Math.min(member.localOffset, escaped32)) {
    flags |= flag.offsetExpected
  }
  return flags
}

export function writeMember(
  out: ByteWriter,
  member: SkeletonMember,
  facts: StreamFacts,
  previous: PreviousMember,
): PreviousMember {
  const flags = flagsOf(member, facts)
  const local = localParts(asBuffer(member.local))
  out.varint(flags)
  const streamId = member.streamId ?? previous.streamId
  if (member.streamId !== null) out.zigzag(member.streamId - previous.streamId)
  if (flags & flag.hasGap) out.sized(member.gap)
  out.raw(local.fields)
  if (!(flags & (flag.localZero | flag.localExpected))) out.raw(local.triple)
  writeName(out, local.name, previous.name)
  if (flags & flag.localExtra) out.sized(local.extra)
  if (member.central !== null) {
    const central = centralParts(asBuffer(member.central))
    out.raw(central.versions)
    if (!(flags & flag.centralSame)) out.raw(central.fields)
    if (!(flags & flag.centralExpected)) out.raw(central.triple)
    if (flags & flag.centralName) out.sized(central.name)
    if (flags & flag.centralExtra) out.sized(central.extra)
    if (flags & flag.centralComment) out.sized(central.comment)
    out.raw(central.attributes)
    if (!(flags & flag.offsetExpected)) out.raw(central.offset)
  }
  return { name: local.name, streamId }
}

/** Front coding: neighbouring names share their directories. */
function writeName(out: ByteWriter, name: Buffer, previous: Buffer): void {
  const shared = sharedPrefix(previous, name)
  out.varint(shared)
  out.sized(name.subarray(shared))
}

export function readMember(
  reader: ByteReader,
  previous: PreviousMember,
): { member: PackedMember; previous: PreviousMember } {
  const flags = reader.varint()
  const streamId = flags & flag.hasStream ? previous.streamId + reader.zigzag() : null
  const gap = flags & flag.hasGap ? reader.sized() : Buffer.alloc(0)
  const fields = reader.raw(10)
  const localTriple = flags & (flag.localZero | flag.localExpected) ? null : reader.raw(12)
  const name = Buffer.concat([previous.name.subarray(0, reader.varint()), reader.sized()])
  const localExtra = flags & flag.localExtra ? reader.sized() : Buffer.alloc(0)
  const central = flags & flag.hasCentral ? readCentral(reader, flags, fields, name) : null
  return {
    member: {
      streamId,
      gap,
      renderLocal: (facts) => {
        const header = Buffer.alloc(localFixedBytes + name.length + localExtra.length)
        header.writeUInt32LE(zipSignature.local, 0)
        fields.copy(header, 4)
        const triple = localTriple ?? (flags & flag.localZero ? zeroTriple : expectedTriple(facts))
        triple.copy(header, 14)
        header.writeUInt16LE(name.length, 26)
        header.writeUInt16LE(localExtra.length, 28)
        name.copy(header, localFixedBytes)
        localExtra.copy(header, localFixedBytes + name.length)
        const hasDescriptor = (flags & (flag.descriptor32 | flag.descriptor64)) !== 0
        const isWide = (flags & flag.descriptor64) !== 0
        return {
          header,
          descriptor: hasDescriptor ? expectedDescriptor(facts, isWide) : Buffer.alloc(0),
        }
      },
      renderCentral: (facts, localOffset) => central?.(facts, localOffset) ?? null,
    },
    previous: { name, streamId: streamId ?? previous.streamId },
  }
}

function readCentral(
  reader: ByteReader,
  flags: number,
  localFields: Buffer,
  localName: Buffer,
): (facts: StreamFacts, localOffset: number) => Buffer {
  const versions = reader.raw(4)
  const fields = flags & flag.centralSame ? localFields.subarray(2) : reader.raw(8)
  const triple = flags & flag.centralExpected ? null : reader.raw(12)
  const name = flags & flag.centralName ? reader.sized() : localName
  const extra = flags & flag.centralExtra ? reader.sized() : Buffer.alloc(0)
  const comment = flags & flag.centralComment ? reader.sized() : Buffer.alloc(0)
  const attributes = reader.raw(8)
  const offset = flags & flag.offsetExpected ? null : reader.raw(4)
  return (facts, localOffset) => {
    const header = Buffer.alloc(centralFixedBytes)
    header.writeUInt32LE(zipSignature.central, 0)
    versions.copy(header, 4)
    fields.copy(header, 8)
    ;(triple ?? expectedTriple(facts)).copy(header, 16)
    header.writeUInt16LE(name.length, 28)
    header.writeUInt16LE(extra.length, 30)
    header.writeUInt16LE(comment.length, 32)
    attributes.copy(header, 34)
    if (offset === null) header.writeUInt32LE(Math.min(localOffset, escaped32), 42)
    else offset.copy(header, 42)
    return Buffer.concat([header, name, extra, comment])
  }
}
