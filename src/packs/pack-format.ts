/** How packs are written (read back by `pack-directory.ts`). A pack is an ordinary zip, so that `unzip` can always get data out: one member for each copy, without
 *  gaps, then the directory. Members are named by `member-names.ts`, dated 1980-01-01, and have sizes and CRC-32 in
 *  their local headers. A joining stream is followed by its final `03 00` and, as a foreign deflate stream, has method 8;
 *  foreign stored bytes have method 0. Equal appends make equal packs. */
import assert from 'node:assert'
import { type CopyCodec, joiningEnd } from '../core/copy.ts'
import type { Digest } from '../core/digest.ts'
import { limits } from '../core/limits.ts'
import { createMemberNames, memberNameBytesMax } from './member-names.ts'
import {
  type MemberRecord,
  centralHeaderBytesMax,
  encodeCentralHeader,
  encodeEnd,
  encodeLocalHeader,
  localHeaderBytes,
} from './pack-records.ts'
import type { PackName, PackSink, PackStore, SealedPack } from './pack-store.ts'

/** A copy to be appended. `lengthBytes` is that of its stream, without a joining stream's final `03 00`. */
export interface PackMember {
  blobDigest: Digest
  codec: CopyCodec
  crc32: number
  sizeBytes: number
  lengthBytes: number
}

/** A pack being filled by one caller, call by call. After any failure it can only be aborted. */
export interface PackWriter {
  readonly name: PackName
  /** Length of the members so far and of their directory: the pack's length but for the end record. */
  readonly bytesWritten: number
  readonly memberCount: number
  /** Adds a copy whose stream is `body`; answers the offset in the pack of the stream's first byte. `body` may be reused
   *  afterwards. A body of another length than announced is a bug in the caller and fails as one.
   *  Errors: storage_full. */
  append(
    member: PackMember,
    body: Uint8Array | AsyncIterable<Uint8Array>,
  ): Promise<{ offset: number }>
  /** Writes the directory and makes the pack durable. It must have members. Errors: storage_full. */
  seal(): Promise<SealedPack>
  /** Drops the pack. Never throws; harmless after `seal` or a failure. */
  abort(): Promise<void>
}

type WriterState = 'ready' | 'busy' | 'over'

/** Opens a pack for appending. Holds one write (`limits.packWriteBytes`) and about 120 bytes a member.
 *  Errors: storage_full. */
export async function openPackWriter(store: Pick<PackStore, 'create'>): Promise<PackWriter> {
  const sink = await store.create()
  const output = createOutput(sink)
  const names = createMemberNames()
  const directory = createDirectory()
  let memberCount = 0
  let memberBytes = 0
  let state: WriterState = 'ready'

  /** Runs one call at a time; a failed one leaves the writer `over`, because the pack's bytes are then anybody's guess. */
  async function exclusively<T>(next: WriterState, work: () => Promise<T>): Promise<T> {
    assert(
      state === 'ready',
      `pack ${sink.name} is ${state}: one call at a time, and none after the end`,
    )
    state = 'busy'
    let after: WriterState = 'over'
    try {
      const answer = await work()
      after = next
      return answer
    } finally {
      // An abort in the meantime has the last word.
      if (state === 'busy') state = after
    }
  }

  async function appendMember(
    member: PackMember,
    body: Uint8Array | AsyncIterable<Uint8Array>,
  ): Promise<{ offset: number }> {
    const record = recordOf(member, names.nameOf(member.blobDigest), output.length)
    const headerBytes = localHeaderBytes(record)
    if (output.room() < headerBytes) await output.flush()
    output.write(headerBytes, (buffer, at) => encodeLocalHeader(buffer, at, record))
    const offset = output.length
    await putBody(output, body, member.lengthBytes)
    if (member.codec === 'joining') await output.put(joiningEnd)
    directory.add(record)
    memberCount++
    memberBytes = output.length
    return { offset }
  }

  async function sealPack(): Promise<SealedPack> {
    assert(memberCount > 0, 'a pack without members is never sealed')
    const directoryOffset = output.length
    for (const page of directory.pages()) await output.put(page)
    const directoryBytes = output.length - directoryOffset
    await output.put(encodeEnd({ memberCount, directoryBytes, directoryOffset }))
    await output.flush()
    return await sink.seal()
  }

  return {
    name: sink.name,
    get bytesWritten() {
      return memberBytes + directory.length
    },
    get memberCount() {
      return memberCount
    },
    append: async (member, body) => await exclusively('ready', () => appendMember(member, body)),
    seal: async () => await exclusively('over', sealPack),
    abort: async () => {
      state = 'over'
      await sink.abort()
    },
  }
}

function recordOf(member: PackMember, name: string, headerOffset: number): MemberRecord {
  const { codec, crc32, sizeBytes, lengthBytes } = member
  return {
    name,
    codecMethod: codec === 'stored' ? 0 : 8,
    crc32,
    sizeBytes,
    lengthBytes: codec === 'joining' ? lengthBytes + joiningEnd.length : lengthBytes,
    headerOffset,
  }
}

async function putBody(
  output: Output,
  body: Uint8Array | AsyncIterable<Uint8Array>,
  lengthBytes: number,
): Promise<void> {
  const refuse = (actualBytes: string): never =>
    assert.fail(
      `a member's body has its announced length: expected ${lengthBytes} bytes, got ${actualBytes}`,
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

/** Gathers small puts into large writes. */
interface Output {
  /** Of everything put so far. */
  readonly length: number
  /** Bytes that fit before the next flush. */
  room(): number
  /** Lets `encode` write bytes for which there is room. */
  write(lengthBytes: number, encode: (buffer: Buffer, at: number) => void): void
  /** `bytes` may be reused when it resolves. */
  put(bytes: Uint8Array): Promise<void>
  flush(): Promise<void>
}

function createOutput(sink: PackSink): Output {
  const buffer = Buffer.allocUnsafeSlow(limits.packWriteBytes)
  let buffered = 0
  let length = 0
  const flush = async (): Promise<void> => {
    if (buffered === 0) return
    await sink.write(buffer.subarray(0, buffered))
    buffered = 0
  }
  return {
    get length() {
      return length
    },
    room: () => buffer.length - buffered,
    write: (lengthBytes, encode) => {
      encode(buffer, buffered)
      buffered += lengthBytes
      length += lengthBytes
    },
    put: async (bytes) => {
      if (bytes.length > buffer.length - buffered) await flush()
      if (bytes.length > buffer.length) await sink.write(bytes)
      else {
        buffer.set(bytes, buffered)
        buffered += bytes.length
      }
      length += bytes.length
    },
    flush,
  }
}

/** The central directory while the pack is being filled: kept as bytes, because a million objects would not be bounded
 *  by anything reasonable, and in pages, because growing one buffer would hold it twice. */
interface Directory {
  readonly length: number
  add(member: MemberRecord): void
  pages(): Iterable<Buffer>
}

const directoryPageBytes = 128 * 1024

function createDirectory(): Directory {
  const full: Buffer[] = []
  let page = Buffer.allocUnsafeSlow(directoryPageBytes)
  let pageBytes = 0
  let length = 0
  return {
    get length() {
      return length
    },
    add: (member) => {
      if (directoryPageBytes - pageBytes < centralHeaderBytesMax(memberNameBytesMax)) {
        full.push(page.subarray(0, pageBytes))
        page = Buffer.allocUnsafeSlow(directoryPageBytes)
        pageBytes = 0
      }
      const end = encodeCentralHeader(page, pageBytes, member)
      length += end - pageBytes
      pageBytes = end
    },
    pages: () => [...full, page.subarray(0, pageBytes)],
  }
}
