/** Lists the members of a zip from its central directory, which is found from the end of the
 *  file. Only for display: nothing is extracted by these records. */
import { decodeCentralHeader, decodeEnd, findEndRecord } from '../../core/zip-records.ts'

export interface ZipMember {
  name: string
  sizeBytes: number
  packedBytes: number
}

/** The first members of a zip, and the total that its end record claims. */
export interface ZipListing {
  members: ZipMember[]
  total: number
}

export interface ZipDirectory {
  /** Offset in the file. */
  start: number
  /** Upper bound of its end. */
  end: number
  /** Number of members that the end record claims. */
  total: number
}

/** Finds the central directory; undefined if `tail` is not the end of a zip. */
export function findZipDirectory(tail: Buffer, fileBytes: number): ZipDirectory | undefined {
  const at = findEndRecord(tail)
  const found = at < 0 ? undefined : decodeEnd(tail, at, fileBytes - tail.length)
  if (found === undefined || found.directoryOffset > found.offset) return undefined
  return { start: found.directoryOffset, end: found.offset, total: found.memberCount }
}

/** Reads the first members of a directory, whose end may be missing; undefined if it does not
 *  begin with a member. */
export function readZipMembers(directory: Buffer, membersMax: number): ZipMember[] | undefined {
  const members: ZipMember[] = []
  for (let at = 0; members.length < membersMax;) {
    const header = decodeCentralHeader(directory, at)
    if (header === undefined) break
    members.push({
      name: directory.toString('utf8', header.nameAt, header.extraAt),
      sizeBytes: header.sizeBytes,
      packedBytes: header.storedBytes,
    })
    at = header.end
  }
  return members.length === 0 && directory.length > 0 ? undefined : members
}
