/** Lists the members of a zip from its central directory, which is found from the end of the
 *  file. Only for display: no upload is unpacked by these records. */
import { asBuffer } from '../../core/bytes/as-buffer.ts'
import {
  type CentralHeader,
  decodeCentralHeader,
  decodeEnd,
  findEndRecord,
  localFixedBytes,
  zipFlag,
  zipSignature,
  zipTailBytesMax,
} from '../../core/zip/zip-records.ts'
import { type ArchiveMember, memberNameOf } from './archive.ts'

const directoryBytesMax = 1024 * 1024

export type ReadFile = (start: number, end: number) => Promise<Buffer>

export interface ZipDirectory {
  /** Its end may be missing. */
  bytes: Buffer
  /** Number of members that the end record claims. */
  total: number
}

/** Reads the central directory; undefined if the file is no zip. */
export async function readZipDirectory(
  fileBytes: number,
  read: ReadFile,
): Promise<ZipDirectory | undefined> {
  const tail = await read(Math.max(0, fileBytes - zipTailBytesMax), fileBytes)
  const at = findEndRecord(tail)
  const found = at < 0 ? undefined : decodeEnd(tail, at, fileBytes - tail.length)
  if (found === undefined || found.directoryOffset > found.offset) return undefined
  const { directoryOffset: start, offset: end, memberCount: total } = found
  return { bytes: await read(start, Math.min(end, start + directoryBytesMax)), total }
}

/** Reads the first members of a directory, whose end may be missing; undefined if it does not
 *  begin with a member. */
export function readZipMembers(directory: Buffer, membersMax: number): ArchiveMember[] | undefined {
  const members: ArchiveMember[] = []
  for (const header of headersOf(directory)) {
    if (members.length === membersMax) break
    members.push({
      name: nameIn(directory, header),
      sizeBytes: header.sizeBytes,
      packedBytes: header.storedBytes,
      isFile: isPlainFile(nameIn(directory, header), header),
    })
  }
  return members.length === 0 && directory.length > 0 ? undefined : members
}

/** Finds a file by its name (`memberNameOf`) in a directory, whose end may be missing. A task of
 *  the rendering thread, since a directory has up to twenty thousand names. */
export interface FindMemberTask {
  kind: 'find-member'
  directory: Uint8Array
  name: string
}

/** The first such file. */
export function findZipMember({
  directory: bytes,
  name,
}: FindMemberTask): CentralHeader | undefined {
  const directory = asBuffer(bytes)
  for (const header of headersOf(directory)) {
    const own = nameIn(directory, header)
    if (isPlainFile(own, header) && memberNameOf(own) === name) return header
  }
  return undefined
}

/** The offset of a member's data in the file; undefined if no local header precedes it. */
export function zipDataOffset(local: Buffer, { localOffset }: CentralHeader): number | undefined {
  if (local.length < localFixedBytes || local.readUInt32LE(0) !== zipSignature.local)
    return undefined
  return localOffset + localFixedBytes + local.readUInt16LE(26) + local.readUInt16LE(28)
}

/** APPNOTE 4.4.5: stored, or deflated. */
function isPlainFile(name: string, { flags, method }: CentralHeader): boolean {
  const isEncrypted = (flags & (zipFlag.encrypted | zipFlag.stronglyEncrypted)) !== 0
  return !isEncrypted && (method === 0 || method === 8) && !name.endsWith('/')
}

function* headersOf(directory: Buffer): Generator<CentralHeader, void, undefined> {
  for (let at = 0; ;) {
    const header = decodeCentralHeader(directory, at)
    if (header === undefined) return
    yield header
    at = header.end
  }
}

function nameIn(directory: Buffer, { nameAt, extraAt }: CentralHeader): string {
  return directory.toString('utf8', nameAt, extraAt)
}
