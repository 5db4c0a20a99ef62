/** The headers of a generated zip, and how long they are. */
import {
  centralHeaderBytes,
  createZipEncoder,
  localHeaderBytes,
  type ZipHeaderFacts,
} from '../core/zip-encoder.ts'

export interface ZipMemberFacts extends ZipHeaderFacts {
  /** Unix type and permission bits. */
  mode: number
  /** Whole seconds since the epoch. */
  modifiedAt: number | null
}

/** What was gone through of a zip, from its beginning. */
export interface ZipTally {
  members: number
  /** Of local headers and data, which is where the central directory begins. */
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

/** Bytes of a member before the next one: header and data. */
export function localBytes(member: ZipMemberFacts): number {
  return localHeaderBytes(member) + member.storedBytes
}

export function localHeader(member: ZipMemberFacts): Buffer {
  const header = Buffer.alloc(localHeaderBytes(member))
  encoder.encodeLocalHeader(header, 0, member)
  return header
}

export function centralHeader(member: ZipMemberFacts, offset: number): Buffer {
  const header = Buffer.alloc(centralHeaderBytes(member, offset))
  encoder.encodeCentralHeader(header, 0, member, offset)
  return header
}

/** What follows the central directory. */
export function endRecords({ members, localBytes, centralBytes }: ZipTally): Buffer {
  return encoder.encodeEnd({
    memberCount: members,
    directoryBytes: centralBytes,
    directoryOffset: localBytes,
  })
}

const dosEpoch = (1 << 21) | (1 << 16)
const dosLast = (127 << 25) | (12 << 21) | (31 << 16) | (23 << 11) | (59 << 5) | 29

/** Date in the high half, time in the low half, in UTC; 1980-01-01 for no time, and the nearest that DOS can say for
 *  years it cannot. APPNOTE 4.4.6. */
function dosDateTime(modifiedAt: number | null): number {
  if (modifiedAt === null) return dosEpoch
  const time = new Date(modifiedAt * 1000)
  const year = time.getUTCFullYear() - 1980
  if (year < 0) return dosEpoch
  // A time beyond what Date can hold has no year.
  if (!(year <= 127)) return dosLast >>> 0
  const date = (year << 9) | ((time.getUTCMonth() + 1) << 5) | time.getUTCDate()
  const clock =
    (time.getUTCHours() << 11) | (time.getUTCMinutes() << 5) | (time.getUTCSeconds() >> 1)
  return ((date << 16) | clock) >>> 0
}
