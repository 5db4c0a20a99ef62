/** Writes copies as members of a pack: each in its own member, except that consecutive short
 *  joining streams share one. */
import assert from 'node:assert'
import { type CopyCodec, joiningEnd } from '../../core/bytes/copy.ts'
import { crc32 } from '../../core/bytes/crc32.ts'
import type { Digest } from '../../core/bytes/digest.ts'
import { limits } from '../../core/limits.ts'
import { localHeaderBytes, type ZipHeaderFacts } from '../../core/zip/zip-encoder.ts'
import { localFixedBytes } from '../../core/zip/zip-records.ts'
import {
  type JoinedCopies,
  canBeJoined,
  createJoinedCopies,
  deflateList,
  encodeList,
  joinedNameBytes,
  joinedNameOf,
  listNameOf,
} from './joined-members.ts'
import type { PackDirectory, PackOutput } from './pack-output.ts'
import { encodeLocalHeader } from './pack-records.ts'

/** A copy to append. `lengthBytes` is the length of its stream, without a joining stream's final
 *  `03 00`. */
export interface PackMember {
  blobDigest: Digest
  codec: CopyCodec
  crc32: number
  sizeBytes: number
  lengthBytes: number
  /** Its bytes are damaged, so it gets a member of its own: in a shared one, `unzip` would lose
   *  what follows it. */
  isDamaged?: boolean
}

/** The bytes of a copy. */
export type PackBody = Uint8Array | AsyncIterable<Uint8Array>

export interface MemberWriter {
  /** Writes a copy to a member of its own or to a shared one; returns the offset of its stream. */
  append(name: string, member: PackMember, body: PackBody): Promise<number>
  /** Ends the shared member, if one is open. */
  close(): Promise<void>
}

interface OpenJoined {
  copies: JoinedCopies
  headerOffset: number
  /** Encodes the header into its reserved space. */
  fill: ReturnType<PackOutput['leave']>
}

const joinedHeaderBytes = localFixedBytes + joinedNameBytes
const nothing = Buffer.alloc(0)

export function createMemberWriter(output: PackOutput, directory: PackDirectory): MemberWriter {
  /** The member that the next copies may share. Its header is written when it is closed, into space
   *  reserved for it. */
  let joined: OpenJoined | undefined
  let joinedCount = 0

  async function appendAlone(name: string, member: PackMember, body: PackBody): Promise<number> {
    await close()
    const { codec, crc32: crc, sizeBytes } = member
    const end = codec === 'joining' ? joiningEnd : nothing
    const storedBytes = member.lengthBytes + end.length
    const method = codec === 'stored' ? 0 : 8
    await putHeader({ name, method, crc32: crc, sizeBytes, storedBytes })
    const offset = output.length
    await putBody(output, body, member.lengthBytes)
    await output.put(end)
    return offset
  }

  async function putHeader(facts: ZipHeaderFacts): Promise<void> {
    const headerBytes = localHeaderBytes(facts)
    if (output.room() < headerBytes) await output.flush()
    directory.add(facts, output.length)
    output.leave(headerBytes)((buffer, at) => encodeLocalHeader(buffer, at, facts))
  }

  async function appendJoined(name: string, member: PackMember, body: PackBody): Promise<number> {
    const { crc32: crc, sizeBytes, lengthBytes } = member
    const copy = { name, sizeBytes, lengthBytes }
    if (joined?.copies.hasRoomFor(copy) === false) await close()
    if (joined === undefined) {
      // It may remain the only copy; its member then has its name, which must fit the space
      // reserved for a joined name.
      if (name.length !== joinedNameBytes) return await appendAlone(name, member, body)
      joined = await openJoined()
    }
    const offset = output.length
    await putBody(output, body, lengthBytes)
    joined.copies.add(copy, crc)
    return offset
  }

  /** Reserves room for all that the member can hold, so that none of it is flushed before its
   *  header is known. */
  async function openJoined(): Promise<OpenJoined> {
    const neededBytes = joinedHeaderBytes + limits.joinedMemberBytes
    if (output.room() < neededBytes) await output.flush()
    const headerOffset = output.length
    return { copies: createJoinedCopies(), headerOffset, fill: output.leave(joinedHeaderBytes) }
  }

  async function close(): Promise<void> {
    if (joined === undefined) return
    const { copies, headerOffset, fill } = joined
    joined = undefined
    const [first, second] = copies.copies
    const name = second === undefined ? first!.name : joinedNameOf(joinedCount++)
    const { sizeBytes, crc32: crc } = copies
    const storedBytes = copies.lengthBytes + joiningEnd.length
    const facts = { name, method: 8, crc32: crc, sizeBytes, storedBytes } as const
    fill((buffer, at) => encodeLocalHeader(buffer, at, facts))
    directory.add(facts, headerOffset)
    await output.put(joiningEnd)
    if (second !== undefined) await putList(listNameOf(name), encodeList(copies.copies))
  }

  async function putList(name: string, list: Buffer): Promise<void> {
    const stream = deflateList(list)
    const [sizeBytes, storedBytes] = [list.length, stream.length]
    await putHeader({ name, method: 8, crc32: crc32(list), sizeBytes, storedBytes })
    await output.put(stream)
  }

  return {
    append: async (name, member, body) => {
      const { codec, isDamaged = false } = member
      const joins = codec === 'joining' && !isDamaged && canBeJoined(member)
      return await (joins ? appendJoined : appendAlone)(name, member, body)
    },
    close,
  }
}

async function putBody(output: PackOutput, body: PackBody, lengthBytes: number): Promise<void> {
  const refuse = (actualBytes: string): never =>
    assert.fail(
      `a member's body must have its announced length: expected ${lengthBytes} bytes, got ${actualBytes}`,
    )
  if (body instanceof Uint8Array) {
    if (body.length !== lengthBytes) refuse(`${body.length}`)
    await output.put(body)
    return
  }
  let seenBytes = 0
  for await (const piece of body) {
    seenBytes += piece.length
    if (seenBytes > lengthBytes) refuse(`${seenBytes} or more`)
    await output.put(piece)
  }
  if (seenBytes !== lengthBytes) refuse(`${seenBytes}`)
}
