/** Copies to append to packs. */
import { deflateRawSync } from 'node:zlib'
import type { CopyCodec } from '../../src/core/bytes/copy.ts'
import { crc32 } from '../../src/core/bytes/crc32.ts'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { encodeJoining } from '../../src/packs/codec/codec.ts'
import type { PackMember } from '../../src/packs/format/member-writer.ts'

export interface Member extends PackMember {
  content: Buffer
  stream: Buffer
}

export async function makeMember(
  codec: CopyCodec,
  content: Buffer,
  digest = digestOf(content),
): Promise<Member> {
  const stream =
    codec === 'joining'
      ? await encodeJoining(content, 6)
      : codec === 'deflate'
        ? deflateRawSync(content)
        : content
  return {
    blobDigest: digest,
    codec,
    crc32: crc32(content),
    sizeBytes: content.length,
    lengthBytes: stream.length,
    content,
    stream,
  }
}

export async function* split(bytes: Buffer, size: number): AsyncGenerator<Buffer, void, undefined> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}
