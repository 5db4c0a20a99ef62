/** A sealed pack's directory, read back. */
import { type StoreError, storeError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import { createMemberNames, memberNameBytesMax } from './member-names.ts'
import {
  type CodecMethod,
  type MemberRecord,
  centralHeaderBytesMax,
  decodeCentralHeader,
  decodeEnd,
  encodeEnd,
  endRecordBytesMax,
  localHeaderBytes,
} from './pack-records.ts'
import type { PackName, PackStore } from './pack-store.ts'

/** A member as a pack's directory has it. `lengthBytes` counts a joining stream's final `03 00`, because nothing in the
 *  directory tells it from a foreign deflate stream. `offset` is where the stream begins. */
export interface PackDirectoryEntry {
  name: string
  codecMethod: CodecMethod
  crc32: number
  sizeBytes: number
  lengthBytes: number
  offset: number
}

/** The members of a sealed pack of `sizeBytes`, in the order of their bytes, read from its directory in windows. Strict:
 *  whatever this program would not have written is damage, and so are gaps and overlaps; the last is known only at the
 *  end. Local headers are not read. Errors: not_found, blob_damaged. */
export async function* readPackDirectory(
  store: Pick<PackStore, 'read'>,
  name: PackName,
  sizeBytes: number,
): AsyncGenerator<PackDirectoryEntry, void, undefined> {
  const damaged = (what: string): StoreError =>
    storeError('blob_damaged', `pack ${name} ${what}`, { digest: null, paths: [] })
  const tailBytes = Math.min(sizeBytes, endRecordBytesMax)
  const end = decodeEnd(await store.read(name, sizeBytes - tailBytes, tailBytes))
  if (end === undefined) throw damaged('does not end as a pack does')
  const { memberCount, directoryBytes, directoryOffset } = end
  if (directoryOffset + directoryBytes + encodeEnd(end).length !== sizeBytes) {
    throw damaged(`does not have the length that its end says: it has ${sizeBytes} bytes`)
  }
  const names = createMemberNames()
  let members = 0
  let nextOffset = 0
  for await (const record of readRecords(store, name, directoryOffset, directoryBytes)) {
    if (record === undefined) throw damaged(`has a bad directory after ${members} members`)
    const { headerOffset, ...member } = record
    if (!names.accepts(member.name))
      throw damaged(`has a member of a wrong name: ${JSON.stringify(member.name)}`)
    if (member.codecMethod === 0 && member.sizeBytes !== member.lengthBytes) {
      throw damaged(
        `has a stored member of two sizes: ${member.sizeBytes} and ${member.lengthBytes}`,
      )
    }
    if (headerOffset !== nextOffset) {
      throw damaged(
        `has a gap or an overlap: expected a member at ${nextOffset}, got ${headerOffset}`,
      )
    }
    const offset = headerOffset + localHeaderBytes(record)
    nextOffset = offset + member.lengthBytes
    members++
    yield { ...member, offset }
  }
  if (members !== memberCount) throw damaged(`announces ${memberCount} members and has ${members}`)
  if (nextOffset !== directoryOffset) {
    throw damaged(`has members up to ${nextOffset}, but its directory begins at ${directoryOffset}`)
  }
}

/** The records of a directory, then undefined where one is bad. */
async function* readRecords(
  store: Pick<PackStore, 'read'>,
  name: PackName,
  directoryOffset: number,
  directoryBytes: number,
): AsyncGenerator<MemberRecord | undefined, void, undefined> {
  const longest = centralHeaderBytesMax(memberNameBytesMax)
  let window = Buffer.alloc(0)
  let at = 0
  let readBytes = 0
  while (at < window.length || readBytes < directoryBytes) {
    if (window.length - at < longest && readBytes < directoryBytes) {
      const lengthBytes = Math.min(limits.readWindowBytes, directoryBytes - readBytes)
      const next = await store.read(name, directoryOffset + readBytes, lengthBytes)
      window = Buffer.concat([window.subarray(at), next])
      at = 0
      readBytes += lengthBytes
    }
    const decoded = decodeCentralHeader(window, at)
    yield decoded?.member
    if (decoded === undefined) return
    at = decoded.end
  }
}
