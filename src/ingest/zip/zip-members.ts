/** First pass over an uploaded zip, in local-header order: adds every member as an entry, and
 *  stores or recognizes every stream. Keeps what the second pass (the skeleton) needs in
 *  columns. */
import { isUtf8 } from 'node:buffer'
import { type Digest, digestBytes, digestToBytes, emptyDigest } from '../../core/bytes/digest.ts'
import { crc32 } from '../../core/bytes/crc32.ts'
import { limits } from '../../core/limits.ts'
import { unsafePath } from '../../core/manifest/entry.ts'
import type { BlobWriter } from '../blob-writer.ts'
import type { EntryTable } from '../entry-table.ts'
import { type StoredFile, storeFile } from '../file-blobs.ts'
import { type StagedReader, windowed } from '../staging/staged-reader.ts'
import { readCentralRecord } from './central-record.ts'
import type { ZipDirectory } from './zip-directory.ts'
import { ZipOpaque } from './zip-opaque.ts'
import { type MemberEntry, memberEntry, placeMember } from './zip-member.ts'
import {
  type MemberData,
  checkContent,
  inflateMember,
  memberContent,
  memberInMemoryMax,
  storeLargeMember,
  storeMembers,
} from './zip-streams.ts'

export interface ZipStreams {
  /** The digest of the stream of each member, in local order; zeros for a member without data. */
  digests: Buffer
  /** Where the last member, with its descriptor, ends. */
  end: number
}

/** Upper bound on the bytes between members that a skeleton may carry: far above any alignment
 *  padding or self-extractor stub. */
const gapBytesMax = 8 * 1024 * 1024

interface PendingMember {
  position: number
  entry: MemberEntry
  data: MemberData
  bytes: Buffer
}

export interface MembersTarget {
  writer: BlobWriter
  table: EntryTable
  /** `streams` keeps members as they were deflated; `contents` inflates them and stores files as
   *  our own streams (deflated at this level, large ones cut into chunks). */
  store: { as: 'streams' } | { as: 'contents'; level: number }
  signal?: AbortSignal | undefined
}

/** Errors: too_large, and the table's own (unsafe_path). Throws ZipOpaque. */
export async function ingestMembers(
  reader: StagedReader,
  directory: ZipDirectory,
  target: MembersTarget,
): Promise<ZipStreams> {
  const headers = windowed(reader)
  const records = windowed(reader)
  const digests = Buffer.alloc(directory.count * digestBytes)
  let pending: PendingMember[] = []
  let pendingBytes = 0
  let end = 0
  let gaps = 0

  const keep = async (member: PendingMember, stored: StoredMember): Promise<void> => {
    if (stored.streamDigest !== null) {
      digestToBytes(stored.streamDigest).copy(digests, member.position * digestBytes)
    }
    await addEntry(target.table, member, stored.blob)
  }
  const settle = async (): Promise<void> => {
    const batch = pending
    pending = []
    pendingBytes = 0
    if (batch.length === 0) return
    const stored = await storeBatch(target, batch)
    for (const [index, member] of batch.entries()) await keep(member, stored[index]!)
  }

  for (const [position, index] of directory.localOrder.entries()) {
    await target.table.room(target.signal)
    const record = await readCentralRecord(records, directory.recordOffset[index]!, directory.end)
    const place = await placeMember(headers, record, {
      previousEnd: end,
      directoryStart: directory.start,
    })
    gaps += record.localOffset - end
    if (gaps > gapBytesMax) throw new ZipOpaque('it has too many bytes between its members')
    end = place.end
    const entry = memberEntry(record)
    if (entry.kind === 'directory' && record.sizeBytes > 0) {
      throw new ZipOpaque('a directory has content')
    }
    const data: MemberData = {
      name: JSON.stringify(entry.path),
      method: record.method,
      offset: place.dataOffset,
      storedBytes: record.storedBytes,
      sizeBytes: record.sizeBytes,
      crc32: record.crc32,
    }
    const member = { position, entry, data, bytes: Buffer.alloc(0) }
    if (record.storedBytes === 0) {
      await keep(member, await storeEmpty(target, member))
      continue
    }
    if (Math.max(record.storedBytes, record.sizeBytes) > memberInMemoryMax) {
      await settle()
      await keep(member, await storeLarge(target, reader, data))
      continue
    }
    member.bytes = Buffer.from(await headers.read(data.offset, data.storedBytes))
    pending.push(member)
    pendingBytes += record.storedBytes + record.sizeBytes
    if (pending.length >= limits.skeletonPageMembers || pendingBytes >= limits.ingestBatchBytes) {
      await settle()
    }
  }
  await settle()
  return { digests, end }
}

interface StoredMember {
  /** Null when only the content was kept. */
  streamDigest: Digest | null
  blob: StoredFile
}

async function storeBatch(target: MembersTarget, batch: PendingMember[]): Promise<StoredMember[]> {
  if (target.store.as === 'streams') return await storeMembers(target.writer, batch)
  const stored: StoredMember[] = []
  for (const { data, bytes } of batch) {
    const content = await inflateMember(data, bytes)
    checkContent(data, content.length, crc32(content))
    const { level } = target.store
    stored.push({
      streamDigest: null,
      blob: await storeFile(target.writer, once(content), { level }),
    })
  }
  return stored
}

async function storeLarge(
  target: MembersTarget,
  reader: StagedReader,
  data: MemberData,
): Promise<StoredMember> {
  if (target.store.as === 'streams') return await storeLargeMember(target.writer, reader, data)
  const { level } = target.store
  return {
    streamDigest: null,
    blob: await storeFile(target.writer, memberContent(reader, data), { level }),
  }
}

async function* once(content: Buffer): AsyncGenerator<Buffer> {
  yield content
}

async function storeEmpty(
  { writer }: MembersTarget,
  { entry, data, bytes }: PendingMember,
): Promise<StoredMember> {
  if (data.method === 8) throw new ZipOpaque(`the deflate stream of ${data.name} is broken`)
  checkContent(data, 0, 0)
  if (entry.kind === 'symlink') throw new ZipOpaque('a symbolic link has no target')
  if (entry.kind === 'file')
    await writer.add({ digest: emptyDigest, bytes, level: 0, joins: false })
  return { streamDigest: null, blob: { digest: emptyDigest, sizeBytes: 0 } }
}

async function addEntry(table: EntryTable, member: PendingMember, blob: StoredFile): Promise<void> {
  const { entry, data } = member
  if (entry.kind === 'directory') {
    if (entry.path !== '') table.addDirectory(entry.path, entry)
  } else if (entry.kind === 'symlink') {
    if (data.sizeBytes > limits.symlinkTargetBytesMax)
      throw unsafePath(entry.path, 'its link target is too long')
    const target = await inflateMember(data, member.bytes)
    if (!isUtf8(target)) throw new ZipOpaque(`the link target of ${data.name} is not UTF-8`)
    table.addSymlink(entry.path, { target: target.toString(), modifiedAt: entry.modifiedAt })
  } else {
    table.addFile(entry.path, { ...entry, ...blob })
  }
}
