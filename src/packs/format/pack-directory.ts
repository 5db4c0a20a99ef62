/** Reads the contents of a sealed pack back from its central directory. */
import { blobDamaged, type StoreError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { localHeaderBytes, type ZipHeaderFacts } from '../../core/zip/zip-encoder.ts'
import { endBytesMax } from '../../core/zip/zip-records.ts'
import { decodeList, isJoinedName, listBytesMax, listNameOf } from './joined-members.ts'
import { createMemberNames } from './member-names.ts'
import { centralHeaderBytesMax, decodeCentralHeader, decodeEnd } from './pack-records.ts'
import type { PackName, PackStore } from '../pack-store.ts'

type Store = Pick<PackStore, 'read'>

/** A member of the zip. `offset` is where its data begins. */
export interface PackMemberEntry extends ZipHeaderFacts {
  offset: number
}

/** A copy as described by the pack itself. */
export interface PackCopyEntry {
  name: string
  method: ZipHeaderFacts['method']
  /** Null for a copy in a joined member, for which only the CRC-32 of the whole is known. */
  crc32: number | null
  sizeBytes: number
  /** For a copy with its own member this includes a joining stream's final `03 00`, because the
   *  directory does not distinguish it from a foreign deflate stream. */
  lengthBytes: number
  /** Where the stream begins. */
  offset: number
}

/** A member and the copies that are known once it is read: for `single`, its own; for `joined`,
 *  none; for `list`, those that the list names. */
export interface ReadMember {
  member: PackMemberEntry
  kind: 'single' | 'joined' | 'list'
  copies: PackCopyEntry[]
}

/** Yields the copies of a sealed pack of `sizeBytes`, in offset order.
 *  Errors: not_found, blob_damaged. */
export async function* readPackDirectory(
  store: Store,
  name: PackName,
  sizeBytes: number,
): AsyncGenerator<PackCopyEntry, void, undefined> {
  const members = readPackMembers(store, name, sizeBytes)
  for await (const { copies } of withCopies(store, name, members)) yield* copies
}

/** Adds their copies to the given members, which must be in pack order. Strict, like
 *  `readPackMembers`.
 *  Errors: not_found, blob_damaged. */
export async function* withCopies(
  store: Store,
  packName: PackName,
  members: AsyncIterable<PackMemberEntry>,
): AsyncGenerator<ReadMember, void, undefined> {
  const names = createMemberNames()
  for await (const read of listCopies(store, packName, members)) {
    const { copies, member } = read
    if (copies === undefined)
      throw damagedPack(packName, `has no intact list before ${member.offset}`)
    const wrong = copies.find(({ name }) => !names.accepts(name))
    if (wrong !== undefined)
      throw damagedPack(packName, `has a copy with a wrong name: ${JSON.stringify(wrong.name)}`)
    yield { ...read, copies }
  }
}

/** Like `withCopies`, but for salvaging a damaged pack: a damaged list has undefined copies, and
 *  names are not checked.
 *  Errors: not_found, blob_damaged (the medium failed to read a list). */
export async function* listCopies(
  store: Store,
  packName: PackName,
  members: AsyncIterable<PackMemberEntry>,
): AsyncGenerator<Omit<ReadMember, 'copies'> & { copies: PackCopyEntry[] | undefined }> {
  let joined: PackMemberEntry | undefined
  for await (const member of members) {
    if (joined !== undefined) {
      const copies = await readList(store, packName, { list: member, joined })
      yield { member, kind: 'list', copies }
      joined = undefined
    } else if (isJoinedName(member.name)) {
      joined = member
      yield { member, kind: 'joined', copies: [] }
    } else yield { member, kind: 'single', copies: [copyAlone(member)] }
  }
  if (joined !== undefined) yield { member: joined, kind: 'list', copies: undefined }
}

function copyAlone({ storedBytes, ...member }: PackMemberEntry): PackCopyEntry {
  return { ...member, lengthBytes: storedBytes }
}

async function readList(
  store: Store,
  packName: PackName,
  { list, joined }: { list: PackMemberEntry; joined: PackMemberEntry },
): Promise<PackCopyEntry[] | undefined> {
  if (list.name !== listNameOf(joined.name) || list.storedBytes > listBytesMax) return undefined
  const stored = await store.read(packName, list.offset, list.storedBytes)
  const copies = decodeList(stored, list, joined)
  if (copies === undefined) return undefined
  let offset = joined.offset
  return copies.map((copy) => {
    const entry = { ...copy, method: joined.method, crc32: null, offset }
    offset += copy.lengthBytes
    return entry
  })
}

function damagedPack(name: PackName, what: string): StoreError {
  return blobDamaged(`pack ${name} ${what}`)
}

/** Yields the members of a sealed pack of `sizeBytes`, in offset order, reading its directory in
 *  windows. Strict: anything that this program would not have written is damage, including gaps and
 *  overlaps, the last of which is detected only at the end. Does not read local headers.
 *  Errors: not_found, blob_damaged. */
export async function* readPackMembers(
  store: Store,
  name: PackName,
  sizeBytes: number,
): AsyncGenerator<PackMemberEntry, void, undefined> {
  const damaged = (what: string): StoreError => damagedPack(name, what)
  const tailBytes = Math.min(sizeBytes, endBytesMax)
  const tailOffset = sizeBytes - tailBytes
  const end = decodeEnd(await store.read(name, tailOffset, tailBytes), tailOffset)
  if (end === undefined) throw damaged('has no valid end record')
  const { memberCount, directoryBytes, directoryOffset } = end
  if (directoryOffset + directoryBytes !== end.offset) {
    throw damaged(`has ${sizeBytes} bytes, which contradicts its end record`)
  }
  let members = 0
  let nextOffset = 0
  for await (const record of readRecords(store, name, directoryOffset, directoryBytes)) {
    if (record === undefined) throw damaged(`has a bad directory after ${members} members`)
    const { member, localOffset } = record
    if (member.method === 0 && member.sizeBytes !== member.storedBytes) {
      throw damaged(
        `has a stored member with two sizes: ${member.sizeBytes} and ${member.storedBytes}`,
      )
    }
    if (localOffset !== nextOffset) {
      throw damaged(
        `has a gap or an overlap: expected a member at ${nextOffset}, got ${localOffset}`,
      )
    }
    const offset = localOffset + localHeaderBytes(member)
    nextOffset = offset + member.storedBytes
    members++
    yield { ...member, offset }
  }
  if (members !== memberCount)
    throw damaged(`should have ${memberCount} members but has ${members}`)
  if (nextOffset !== directoryOffset) {
    throw damaged(`has members up to ${nextOffset}, but its directory begins at ${directoryOffset}`)
  }
}

/** Yields the records of a directory; undefined in place of the first bad one. */
async function* readRecords(
  store: Store,
  name: PackName,
  directoryOffset: number,
  directoryBytes: number,
): AsyncGenerator<ReturnType<typeof decodeCentralHeader>, void, undefined> {
  let window = Buffer.alloc(0)
  let at = 0
  let readBytes = 0
  while (at < window.length || readBytes < directoryBytes) {
    if (window.length - at < centralHeaderBytesMax && readBytes < directoryBytes) {
      const lengthBytes = Math.min(limits.readWindowBytes, directoryBytes - readBytes)
      const next = await store.read(name, directoryOffset + readBytes, lengthBytes)
      window = Buffer.concat([window.subarray(at), next])
      at = 0
      readBytes += lengthBytes
    }
    const decoded = decodeCentralHeader(window, at)
    yield decoded
    if (decoded === undefined) return
    at = decoded.end
  }
}
