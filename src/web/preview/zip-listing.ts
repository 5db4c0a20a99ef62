/** The members of a zip from its central directory, which is found from the end of the file. For showing only: nothing is
 *  extracted by what is found here. */
import { decodeCentralHeader, decodeEnd, findEndRecord } from '../../core/zip-records.ts'

export interface ZipMember {
  name: string
  sizeBytes: number
  packedBytes: number
}

/** The first members of a zip, and how many it is said to have. */
export interface ZipListing {
  members: ZipMember[]
  total: number
}

export interface ZipDirectory {
  /** Where it begins in the file. */
  start: number
  /** Where it ends, at the latest. */
  end: number
  /** Members that it is said to have. */
  total: number
}

/** Undefined when the tail is not that of a zip. */
export function findZipDirectory(tail: Buffer, fileBytes: number): ZipDirectory | undefined {
  const at = findEndRecord(tail)
  const found = at < 0 ? undefined : decodeEnd(tail, at, fileBytes - tail.length)
  if (found === undefined || found.directoryOffset > found.offset) return undefined
  return { start: found.directoryOffset, end: found.offset, total: found.memberCount }
}

/** The first members of a directory, of which the end may be missing; undefined when it begins with none. */
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
