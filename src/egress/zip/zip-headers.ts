/** The headers of a generated zip, and their lengths. */
import {
  centralHeaderBytes,
  createZipEncoder,
  localHeaderBytes,
  type ZipHeaderFacts,
} from '../../core/zip/zip-encoder.ts'

export interface ZipMemberFacts extends ZipHeaderFacts {
  /** Unix type and permission bits. */
  mode: number
  /** Whole seconds since the epoch. */
  modifiedAt: number | null
}

/** Running totals of a zip, from its beginning. */
export interface ZipTally {
  members: number
  /** Bytes of local headers and data; the central directory begins there. */
  localBytes: number
  centralBytes: number
}

const dosDirectory = 0x10

const encoder = createZipEncoder<ZipMemberFacts>({
  versionNeeded: () => 20,
  // Unix, and the version of APPNOTE that has ZIP64.
  madeBy: () => 0x032d,
  dosDateTime: ({ modifiedAt }) => dosDateTime(modifiedAt),
  externalAttributes: ({ name, mode }) =>
    ((mode << 16) | (name.endsWith('/') ? dosDirectory : 0)) >>> 0,
})

export function createZipTally(): ZipTally {
  return { members: 0, localBytes: 0, centralBytes: 0 }
}

export function countMember(tally: ZipTally, member: ZipMemberFacts): void {
  tally.centralBytes += centralHeaderBytes(member, tally.localBytes)
  tally.localBytes += localBytes(member)
  tally.members += 1
}

/** Bytes of a member up to the next one: header and data. */
export function localBytes(member: ZipMemberFacts): number {
  return localHeaderBytes(member) + member.storedBytes
}

/** Neither header is zeroed first, since each byte is written: small buffers then share memory. */
export function localHeader(member: ZipMemberFacts): Buffer {
  const header = Buffer.allocUnsafe(localHeaderBytes(member))
  encoder.encodeLocalHeader(header, 0, member)
  return header
}

export function centralHeader(member: ZipMemberFacts, offset: number): Buffer {
  const header = Buffer.allocUnsafe(centralHeaderBytes(member, offset))
  encoder.encodeCentralHeader(header, 0, member, offset)
  return header
}

/** The records that follow the central directory. */
export function endRecords({ members, localBytes, centralBytes }: ZipTally): Buffer {
  return encoder.encodeEnd({
    memberCount: members,
    directoryBytes: centralBytes,
    directoryOffset: localBytes,
  })
}

const dosEpoch = (1 << 21) | (1 << 16)
const dosLast = (127 << 25) | (12 << 21) | (31 << 16) | (23 << 11) | (59 << 5) | 29

/** Date in the high half, time in the low half, in UTC. No time means 1980-01-01; years outside
 *  DOS's range are clamped. APPNOTE 4.4.6. */
function dosDateTime(modifiedAt: number | null): number {
  if (modifiedAt === null) return dosEpoch
  const time = new Date(modifiedAt * 1000)
  const year = time.getUTCFullYear() - 1980
  if (year < 0) return dosEpoch
  // A time beyond the range of Date has a year of NaN.
  if (!(year <= 127)) return dosLast >>> 0
  const date = (year << 9) | ((time.getUTCMonth() + 1) << 5) | time.getUTCDate()
  const clock =
    (time.getUTCHours() << 11) | (time.getUTCMinutes() << 5) | (time.getUTCSeconds() >> 1)
  return ((date << 16) | clock) >>> 0
}
