/** The members of a zip from its central directory (APPNOTE 4.3.12 to 4.3.16), which is found from the end of the file. For
 *  showing only: nothing is extracted by what is found here. */

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

const endSignature = 0x06054b50
const end64Signature = 0x06064b50
const locatorSignature = 0x07064b50
const centralSignature = 0x02014b50
const endBytes = 22
const end64Bytes = 56
const locatorBytes = 20
const centralBytes = 46
const commentBytesMax = 0xffff
/** In place of a size that four bytes cannot hold. */
const tooLarge = 0xffffffff
const largeSizesField = 0x0001

/** How much of the end of a file tells where its directory is. */
export const zipTailBytesMax: number = endBytes + commentBytesMax + locatorBytes + end64Bytes

/** Undefined when the tail is not that of a zip. */
export function findZipDirectory(tail: Buffer, fileBytes: number): ZipDirectory | undefined {
  const tailStart = fileBytes - tail.length
  for (let at = tail.length - endBytes; at >= 0; at--) {
    if (tail.readUInt32LE(at) !== endSignature) continue
    const end = tailStart + at
    const found = findEnd64(tail, at, tailStart) ?? {
      start: tail.readUInt32LE(at + 16),
      total: tail.readUInt16LE(at + 10),
    }
    return found.start <= end ? { ...found, end } : undefined
  }
  return undefined
}

/** What the larger record says (ZIP64), when there is one before the end record. */
function findEnd64(
  tail: Buffer,
  end: number,
  tailStart: number,
): Pick<ZipDirectory, 'start' | 'total'> | undefined {
  const locator = end - locatorBytes
  if (locator < 0 || tail.readUInt32LE(locator) !== locatorSignature) return undefined
  const at = Number(tail.readBigUInt64LE(locator + 8)) - tailStart
  if (at < 0 || at + end64Bytes > locator || tail.readUInt32LE(at) !== end64Signature)
    return undefined
  return {
    start: Number(tail.readBigUInt64LE(at + 48)),
    total: Number(tail.readBigUInt64LE(at + 32)),
  }
}

/** The first members of a directory, of which the end may be missing; undefined when it begins with none. */
export function readZipMembers(directory: Buffer, membersMax: number): ZipMember[] | undefined {
  const members: ZipMember[] = []
  for (let at = 0; at + centralBytes <= directory.length && members.length < membersMax;) {
    if (directory.readUInt32LE(at) !== centralSignature) break
    const name = at + centralBytes
    const nameEnd = name + directory.readUInt16LE(at + 28)
    const extraEnd = nameEnd + directory.readUInt16LE(at + 30)
    if (nameEnd > directory.length) break
    members.push({
      name: directory.toString('utf8', name, nameEnd),
      ...sizesOf(directory, at, directory.subarray(nameEnd, extraEnd)),
    })
    at = extraEnd + directory.readUInt16LE(at + 32)
  }
  return members.length === 0 && directory.length > 0 ? undefined : members
}

/** APPNOTE 4.5.3: a size that does not fit is in a field of its own, which has only those, the unpacked one first. */
function sizesOf(
  directory: Buffer,
  at: number,
  extra: Buffer,
): Pick<ZipMember, 'sizeBytes' | 'packedBytes'> {
  let large = largeSizesIn(extra)
  const sizeAt = (place: number): number => {
    const size = directory.readUInt32LE(place)
    if (size !== tooLarge || large.length < 8) return size
    const known = Number(large.readBigUInt64LE())
    large = large.subarray(8)
    return known
  }
  return { sizeBytes: sizeAt(at + 24), packedBytes: sizeAt(at + 20) }
}

function largeSizesIn(extra: Buffer): Buffer {
  for (let at = 0; at + 4 <= extra.length;) {
    const end = at + 4 + extra.readUInt16LE(at + 2)
    if (extra.readUInt16LE(at) === largeSizesField) return extra.subarray(at + 4, end)
    at = end
  }
  return extra.subarray(0, 0)
}
