/** Joined members. A copy in a member of its own costs 122 bytes of headers and names, a quarter of
 *  what a small file takes deflated. Joining streams can follow each other in one deflate stream,
 *  so consecutively appended ones share a member, and the member behind it lists them, 20 bytes for
 *  each:
 *
 *      joined-000000000000042        the contents, concatenated
 *      joined-000000000000042.txt    a line per copy: name, content bytes, stream bytes
 *
 *  A copy's name in the list is the one that it would have as a member of its own.
 *  So `unzip` and `head -c` are enough to extract every content. The store itself takes places from
 *  the metadata and reads the list only to check for damage or to rebuild lost metadata. */
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib'
import { joiningEnd } from '../../core/bytes/copy.ts'
import { combineCrc32, crc32 } from '../../core/bytes/crc32.ts'
import { limits } from '../../core/limits.ts'
import type { ZipHeaderFacts } from '../../core/zip/zip-encoder.ts'
import { memberNameBytesMax } from './member-names.ts'

/** A copy as a line of a list. */
export interface ListedCopy {
  name: string
  /** Length of the content. */
  sizeBytes: number
  /** Length of the stream. */
  lengthBytes: number
}

/** The usual length of a name of a member of its own (`member-names.ts`), so that the offset of a
 *  joined member's first copy is known before there is a second one. */
export const joinedNameBytes = 22

const joinedNamePattern = /^joined-[0-9]{15}$/u

/** `ordinal` counts the joined members of a pack, from 0. */
export function joinedNameOf(ordinal: number): string {
  return `joined-${`${ordinal}`.padStart(15, '0')}`
}

export function isJoinedName(name: string): boolean {
  return joinedNamePattern.test(name)
}

export function listNameOf(joinedName: string): string {
  return `${joinedName}.txt`
}

/** Whether a joining stream is short enough to share a member: several must fit, and their contents
 *  must not need a ZIP64 header. */
export function canBeJoined({ sizeBytes, lengthBytes }: Omit<ListedCopy, 'name'>): boolean {
  return lengthBytes <= limits.joinedMemberBytes / 4 && sizeBytes <= limits.coarseChunkMaxBytes
}

/** The copies of a joined member that is being written. */
export interface JoinedCopies {
  readonly copies: readonly ListedCopy[]
  /** Length of the concatenated contents. */
  readonly sizeBytes: number
  readonly crc32: number
  /** Length of the streams. */
  readonly lengthBytes: number
  hasRoomFor(copy: ListedCopy): boolean
  add(copy: ListedCopy, crc32: number): void
}

export function createJoinedCopies(): JoinedCopies {
  const copies: ListedCopy[] = []
  let sizeBytes = 0
  let crc = 0
  let lengthBytes = 0
  return {
    copies,
    get sizeBytes() {
      return sizeBytes
    },
    get crc32() {
      return crc
    },
    get lengthBytes() {
      return lengthBytes
    },
    hasRoomFor: (copy) =>
      copies.length < limits.joinedMemberCopies &&
      lengthBytes + copy.lengthBytes <= limits.joinedMemberBytes,
    add: (copy, crcOfCopy) => {
      copies.push(copy)
      sizeBytes += copy.sizeBytes
      crc = combineCrc32(crc, crcOfCopy, copy.sizeBytes)
      lengthBytes += copy.lengthBytes
    },
  }
}

/** Encodes one line per copy. */
export function encodeList(copies: readonly ListedCopy[]): Buffer {
  const lines = copies.map(
    ({ name, sizeBytes, lengthBytes }) => `${name} ${sizeBytes} ${lengthBytes}\n`,
  )
  return Buffer.from(lines.join(''), 'latin1')
}

/** Only digits repeat in a list, so searching for matches would not pay off. */
export function deflateList(list: Buffer): Buffer {
  return deflateRawSync(list, { strategy: constants.Z_HUFFMAN_ONLY })
}

const lineBytesMax = memberNameBytesMax + 2 * 11 + 1

/** Upper bound on a list, and on its deflated form. */
export const listBytesMax: number = limits.joinedMemberCopies * lineBytesMax

/** Decodes the stored list of a joined member; undefined when it is damaged or does not account for
 *  every byte of `joined`. */
export function decodeList(
  stored: Buffer,
  announced: Pick<ZipHeaderFacts, 'crc32' | 'sizeBytes'>,
  joined: Pick<ZipHeaderFacts, 'sizeBytes' | 'storedBytes'>,
): ListedCopy[] | undefined {
  const list = inflateList(stored, announced.sizeBytes)
  if (list === undefined || crc32(list) !== announced.crc32) return undefined
  const copies = list
    .toString('latin1')
    .split('\n')
    .slice(0, -1)
    .map((line) => {
      const [name = '', sizeBytes, lengthBytes] = line.split(' ')
      return { name, sizeBytes: Number(sizeBytes), lengthBytes: Number(lengthBytes) }
    })
  const isExact =
    copies.length > 1 &&
    encodeList(copies).equals(list) &&
    sumOf(copies, 'sizeBytes') === joined.sizeBytes &&
    sumOf(copies, 'lengthBytes') + joiningEnd.length === joined.storedBytes
  return isExact ? copies : undefined
}

function inflateList(stored: Buffer, sizeBytes: number): Buffer | undefined {
  if (sizeBytes > listBytesMax) return undefined
  try {
    const list = inflateRawSync(stored, { maxOutputLength: sizeBytes + 1 })
    return list.length === sizeBytes ? list : undefined
  } catch {
    // Not a deflate stream, so not a list.
    return undefined
  }
}

function sumOf(copies: readonly ListedCopy[], field: 'sizeBytes' | 'lengthBytes'): number {
  return copies.reduce((sum, copy) => sum + copy[field], 0)
}
