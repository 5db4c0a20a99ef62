/** Copies to append to packs, and how to read what was written. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { deflateRawSync } from 'node:zlib'
import type { CopyCodec, NewCopy } from '../../src/core/bytes/copy.ts'
import { crc32 } from '../../src/core/bytes/crc32.ts'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { encodeJoining } from '../../src/packs/codec/codec.ts'
import type { PackMember } from '../../src/packs/format/member-writer.ts'
import { type PackCopyEntry, readPackDirectory } from '../../src/packs/format/pack-directory.ts'
import type { PackStore, SealedPack } from '../../src/packs/pack-store.ts'
import { recognizeCopies } from '../../src/packs/read-copies.ts'

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

/** The entries of a pack's directory. */
export async function readDirectory(
  from: Pick<PackStore, 'read'>,
  { name, sizeBytes }: SealedPack,
): Promise<PackCopyEntry[]> {
  const entries: PackCopyEntry[] = []
  for await (const entry of readPackDirectory(from, name, sizeBytes)) entries.push(entry)
  return entries
}

/** Whether a program is installed; `unzip` and Python check packs only where they are. */
export async function isPresent(program: string): Promise<boolean> {
  return await promisify(execFile)(program, [program === 'unzip' ? '-v' : '--version']).then(
    () => true,
    () => false,
  )
}

/** Readings of each copy, which are in the order of their offsets. */
export async function recognizeAll(
  ...args: Parameters<typeof recognizeCopies>
): Promise<NewCopy[][]> {
  const found: NewCopy[][] = []
  for await (const readings of recognizeCopies(...args)) found.push(readings)
  return found
}
