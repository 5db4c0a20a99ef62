/** The members of a zip from its central directory (APPNOTE 4.3.12, 4.3.16), read from the end of the file. For showing
 *  only: nothing is extracted by what is found here. */

export interface ZipMember {
  name: string
  sizeBytes: number
  packedBytes: number
}

/** How much of the end of a file is looked at. */
export const zipTailBytesMax: number = 1024 * 1024

const endSignature = 0x06054b50
const centralSignature = 0x02014b50
const endBytes = 22
const centralBytes = 46

/** Undefined when the tail holds no directory, or one that begins before it. `total` counts all members. */
export function listZipMembers(
  tail: Buffer,
  fileBytes: number,
  membersMax: number,
): { members: ZipMember[]; total: number } | undefined {
  for (let at = tail.length - endBytes; at >= 0 && at > tail.length - endBytes - 65_536; at--) {
    if (tail.readUInt32LE(at) !== endSignature) continue
    const total = tail.readUInt16LE(at + 10)
    const start = tail.readUInt32LE(at + 16) - (fileBytes - tail.length)
    if (start < 0 || start > at) return undefined
    const members = readMembers(tail.subarray(start, at), membersMax)
    return members === undefined ? undefined : { members, total }
  }
  return undefined
}

function readMembers(directory: Buffer, membersMax: number): ZipMember[] | undefined {
  const members: ZipMember[] = []
  for (let at = 0; at + centralBytes <= directory.length && members.length < membersMax;) {
    if (directory.readUInt32LE(at) !== centralSignature) return undefined
    const nameBytes = directory.readUInt16LE(at + 28)
    const rest = directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32)
    members.push({
      name: directory.toString('utf8', at + centralBytes, at + centralBytes + nameBytes),
      packedBytes: directory.readUInt32LE(at + 20),
      sizeBytes: directory.readUInt32LE(at + 24),
    })
    at += centralBytes + nameBytes + rest
  }
  return members
}
