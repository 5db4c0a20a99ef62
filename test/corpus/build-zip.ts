/** Builds zips by hand: correct by default, with an option for every kind of lie that a reader must
 *  detect. */
import { deflateRawSync } from 'node:zlib'
import { crc32 } from '../../src/core/bytes/crc32.ts'

export interface ZipMemberSpec {
  name: string | Buffer
  content?: Buffer | string
  /** Default 8. */
  method?: number
  /** General purpose flags. Bit 3 writes a descriptor, and zeros in the local header. */
  flags?: number
  mode?: number
  madeBy?: number
  /** Stored bytes that replace the content's own. */
  stored?: Buffer
  /** Wrong values for both headers. */
  claims?: { crc32?: number; storedBytes?: number; sizeBytes?: number; localOffset?: number }
  /** Wrong values for the local header only. */
  localClaims?: {
    crc32?: number
    storedBytes?: number
    sizeBytes?: number
    name?: string
    method?: number
  }
  /** Arbitrary bytes before the local header. */
  gap?: Buffer
  localExtra?: Buffer
  centralExtra?: Buffer
  comment?: string
  descriptor?: 'signed' | 'bare' | 'none'
}

export interface ZipSpec {
  members: ZipMemberSpec[]
  /** Order of central headers; default: the order of local headers. */
  centralOrder?: number[]
  comment?: string
  /** Bytes between the last member and the central directory. */
  beforeDirectory?: Buffer
  count?: number
}

interface Placed {
  spec: ZipMemberSpec
  name: Buffer
  facts: { crc32: number; storedBytes: number; sizeBytes: number }
  localOffset: number
}

export function buildZip({ members, centralOrder, comment = '', beforeDirectory, count }: ZipSpec): Buffer {
  const pieces: Buffer[] = []
  const placed: Placed[] = []
  let at = 0
  const put = (bytes: Buffer): void => {
    pieces.push(bytes)
    at += bytes.length
  }
  for (const spec of members) {
    if (spec.gap !== undefined) put(spec.gap)
    const content = Buffer.from(spec.content ?? '')
    const stored = spec.stored ?? (spec.method === 0 ? content : deflateRawSync(content))
    const facts = {
      crc32: crc32(content),
      storedBytes: stored.length,
      sizeBytes: content.length,
      ...spec.claims,
    }
    const name = Buffer.from(spec.name as string)
    placed.push({ spec, name, facts, localOffset: at })
    put(localHeader(spec, name, facts))
    put(stored)
    if (((spec.flags ?? 0) & 8) !== 0) put(descriptorOf(spec, facts))
  }
  if (beforeDirectory !== undefined) put(beforeDirectory)
  const start = at
  for (const index of centralOrder ?? placed.keys()) put(centralHeader(placed[index]!))
  const size = at - start
  const end = Buffer.alloc(22)
  end.writeUInt32LE(0x06054b50, 0)
  end.writeUInt16LE(count ?? members.length, 8)
  end.writeUInt16LE(count ?? members.length, 10)
  end.writeUInt32LE(size, 12)
  end.writeUInt32LE(start, 16)
  end.writeUInt16LE(Buffer.byteLength(comment), 20)
  put(end)
  put(Buffer.from(comment))
  return Buffer.concat(pieces)
}

function localHeader(spec: ZipMemberSpec, name: Buffer, facts: Placed['facts']): Buffer {
  const localName = spec.localClaims?.name === undefined ? name : Buffer.from(spec.localClaims.name)
  const extra = spec.localExtra ?? Buffer.alloc(0)
  const later = ((spec.flags ?? 0) & 8) !== 0
  const claimed = { ...(later ? { crc32: 0, storedBytes: 0, sizeBytes: 0 } : facts), ...spec.localClaims }
  const header = Buffer.alloc(30)
  header.writeUInt32LE(0x04034b50, 0)
  header.writeUInt16LE(20, 4)
  header.writeUInt16LE(spec.flags ?? 0, 6)
  header.writeUInt16LE(spec.localClaims?.method ?? spec.method ?? 8, 8)
  header.writeUInt16LE(0x5f62, 10)
  header.writeUInt16LE(0x5d78, 12)
  header.writeUInt32LE(claimed.crc32 >>> 0, 14)
  header.writeUInt32LE(claimed.storedBytes, 18)
  header.writeUInt32LE(claimed.sizeBytes, 22)
  header.writeUInt16LE(localName.length, 26)
  header.writeUInt16LE(extra.length, 28)
  return Buffer.concat([header, localName, extra])
}

function descriptorOf(spec: ZipMemberSpec, facts: Placed['facts']): Buffer {
  if (spec.descriptor === 'none') return Buffer.alloc(0)
  const bytes = Buffer.alloc(16)
  bytes.writeUInt32LE(0x08074b50, 0)
  bytes.writeUInt32LE(facts.crc32 >>> 0, 4)
  bytes.writeUInt32LE(facts.storedBytes, 8)
  bytes.writeUInt32LE(facts.sizeBytes, 12)
  return spec.descriptor === 'bare' ? bytes.subarray(4) : bytes
}

function centralHeader({ spec, name, facts, localOffset }: Placed): Buffer {
  const extra = spec.centralExtra ?? Buffer.alloc(0)
  const comment = Buffer.from(spec.comment ?? '')
  const header = Buffer.alloc(46)
  header.writeUInt32LE(0x02014b50, 0)
  header.writeUInt16LE(spec.madeBy ?? 0x032d, 4)
  header.writeUInt16LE(20, 6)
  header.writeUInt16LE(spec.flags ?? 0, 8)
  header.writeUInt16LE(spec.method ?? 8, 10)
  header.writeUInt16LE(0x5f62, 12)
  header.writeUInt16LE(0x5d78, 14)
  header.writeUInt32LE(facts.crc32 >>> 0, 16)
  header.writeUInt32LE(facts.storedBytes, 20)
  header.writeUInt32LE(facts.sizeBytes, 24)
  header.writeUInt16LE(name.length, 28)
  header.writeUInt16LE(extra.length, 30)
  header.writeUInt16LE(comment.length, 32)
  header.writeUInt32LE(((spec.mode ?? 0o100644) << 16) >>> 0, 38)
  header.writeUInt32LE(spec.claims?.localOffset ?? localOffset, 42)
  return Buffer.concat([header, name, extra, comment])
}
