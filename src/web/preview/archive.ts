/** Lists the members of a tar, and unpacks single members of archives, in the rendering thread.
 *  Anybody can upload an archive, so what is read, unpacked and held is bounded, and so is the
 *  time. */
import { Readable } from 'node:stream'
import { createGunzip, createInflateRaw } from 'node:zlib'
import { asBuffer } from '../../core/bytes/as-buffer.ts'
import type { ForeignCodec } from '../../core/bytes/copy.ts'
import { crc32 } from '../../core/bytes/crc32.ts'
import { normalizeArchivePath } from '../../core/manifest/entry.ts'
import { errorCodeOf, hasCode, storeError } from '../../core/errors.ts'
import { readTarEntries } from '../../ingest/tar/tar-entries.ts'

export interface ArchiveMember {
  name: string
  sizeBytes: number
  /** Null where members are compressed together. */
  packedBytes: number | null
  /** Whether it can be unpacked. */
  isFile: boolean
}

/** The first members of an archive. */
export interface ArchiveListing {
  members: ArchiveMember[]
  total: number
  /** False if there may be more than `total`. */
  isWhole: boolean
}

export interface UnpackedMember {
  /** At most `memberBytesMax`. */
  bytes: Uint8Array<ArrayBuffer>
  /** Size of the whole member, as the archive has it. */
  sizeBytes: number
  /** Whether `bytes` are the whole member, and undamaged as far as the archive tells. */
  isWhole: boolean
}

/** `bytes`: the beginning of a tar, or a member of a zip. `name`: as `memberNameOf` returns it. */
export type UnpackTask = { kind: 'unpack'; bytes: Uint8Array } & (
  | { form: 'tar'; name: string }
  | { form: ForeignCodec; sizeBytes: number; crc32: number }
)

export const archiveMembersMax = 1000
/** Bytes of the names of listed members. A name in a tar may have 64 KiB. */
const archiveNamesBytesMax = 1024 * 1024
/** Bytes of an archive that are read. */
export const archiveBytesMax: number = 4 * 1024 * 1024
/** Bytes of a member that are shown or downloaded. */
export const memberBytesMax: number = 4 * 1024 * 1024
/** Twenty times what is read; a bomb unpacks to a thousand times as much. */
const unpackedBytesMax = 80 * 1024 * 1024
const unpackMsMax = 2000

/** The path of a member in the address of its page; '' for the root of a tar. */
export function memberNameOf(name: string): string {
  return normalizeArchivePath(name)
}

/** Lists a tar, compressed with gzip or not. Undefined if `bytes` are not the beginning of one. */
export async function listTar(
  bytes: Uint8Array,
  fileBytes: number,
): Promise<ArchiveListing | undefined> {
  const members: ArchiveMember[] = []
  let total = 0
  let namesBytes = 0
  const until = performance.now() + unpackMsMax
  const isEnded = await endsWell(async () => {
    for await (const entry of readTarEntries(tarBytes(bytes, until))) {
      total += 1
      namesBytes += entry.name.length
      if (members.length < archiveMembersMax && namesBytes <= archiveNamesBytesMax) {
        const isFile = entry.type === '0' && !entry.isSparse
        const name = entry.name.toString()
        members.push({ name, sizeBytes: entry.sizeBytes, packedBytes: null, isFile })
      }
      if (performance.now() > until) return false
    }
    return true
  })
  if (total === 0 && !isEnded) return undefined
  return { members, total, isWhole: isEnded && bytes.length === fileBytes }
}

/** Undefined if the part of the archive that is read has no such member. */
export async function unpack(task: UnpackTask): Promise<UnpackedMember | undefined> {
  const until = performance.now() + unpackMsMax
  const { bytes } = task
  if (task.form === 'tar') return await unpackFromTar(tarBytes(bytes, until), task.name)
  const codec = task.form === 'deflate' ? createInflateRaw() : undefined
  const member = await gather(unpacked(bytes, until, codec), task.sizeBytes)
  return { ...member, isWhole: member.isWhole && crc32(asBuffer(member.bytes)) === task.crc32 }
}

async function unpackFromTar(
  source: AsyncIterable<Uint8Array>,
  name: string,
): Promise<UnpackedMember | undefined> {
  let found: UnpackedMember | undefined
  await endsWell(async () => {
    for await (const entry of readTarEntries(source)) {
      if (entry.type !== '0' || entry.isSparse) continue
      if (memberNameOf(entry.name.toString()) !== name) continue
      found = await gather(entry.content, entry.sizeBytes)
      break
    }
    return true
  })
  return found
}

/** Reads a member as far as it can be read. */
async function gather(
  content: AsyncIterable<Uint8Array>,
  claimedBytes: number,
): Promise<UnpackedMember> {
  const pieces: Uint8Array[] = []
  let length = 0
  const isEnded = await endsWell(async () => {
    for await (const piece of content) {
      pieces.push(piece)
      length += piece.length
      if (length > memberBytesMax) return false
    }
    return true
  })
  // Copied, so that the memory is that of no other buffer and can be sent to another thread.
  const bytes = new Uint8Array(Buffer.concat(pieces).subarray(0, memberBytesMax))
  const isWhole = isEnded && length === claimedBytes
  // An archive can claim less than it unpacks to.
  return { bytes, sizeBytes: Math.max(claimedBytes, length), isWhole }
}

function tarBytes(bytes: Uint8Array, until: number): AsyncIterable<Uint8Array> {
  const isGzip = bytes[0] === 0x1f && bytes[1] === 0x8b
  return unpacked(bytes, until, isGzip ? createGunzip() : undefined)
}

/** Errors: bad_archive where the bounds of size and time are reached; those of zlib. */
async function* unpacked(
  bytes: Uint8Array,
  until: number,
  codec: ReturnType<typeof createGunzip> | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  const source = Readable.from([asBuffer(bytes)])
  let leftBytes = unpackedBytesMax
  for await (const piece of codec === undefined ? source : source.pipe(codec)) {
    yield piece as Uint8Array
    leftBytes -= (piece as Uint8Array).length
    if (leftBytes <= 0 || performance.now() > until) throw tooMuch()
  }
}

function tooMuch(): Error {
  const reason = `more than ${unpackedBytesMax} bytes or ${unpackMsMax} ms would be needed`
  return storeError('bad_archive', `unpacking stopped: ${reason}`, { reason })
}

/** False if the archive is malformed, cut off, or too large. */
async function endsWell(read: () => Promise<boolean>): Promise<boolean> {
  try {
    return await read()
  } catch (error) {
    if (errorCodeOf(error).startsWith('Z_') || hasCode(error, 'bad_archive')) return false
    throw error
  }
}
