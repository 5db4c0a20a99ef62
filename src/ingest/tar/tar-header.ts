/** Decodes the headers of a tar: blocks of fixed fields, and the records of extended headers. */
import { storeError } from '../../core/errors.ts'

export const tarBlockBytes = 512

export interface TarHeader {
  /** The type flag; `0` for a file, however it was written. */
  type: string
  name: Buffer
  linkName: Buffer
  mode: number
  sizeBytes: number
  /** Whole seconds since the epoch; NaN for an invalid time. */
  modifiedAt: number
}

/** The records of an extended header. Values are bytes: not all of them are text. */
export type PaxRecords = Map<string, Buffer>

const nameField = { at: 0, length: 100 }
const modeField = { at: 100, length: 8 }
const sizeField = { at: 124, length: 12 }
const timeField = { at: 136, length: 12 }
const checksumField = { at: 148, length: 8 }
const typeAt = 156
const linkNameField = { at: 157, length: 100 }
const magicAt = 257
const prefixField = { at: 345, length: 155 }

const posixMagic = 'ustar\0'
const gnuMagic = 'ustar  \0'

type Field = typeof nameField

/** Errors: bad_archive. */
export function decodeTarHeader(block: Buffer): TarHeader {
  if (checksumOf(block) !== numberIn(block, checksumField))
    throw badTar('a header is invalid: the tar is corrupted, or it is something else')
  const magic = block.toString('latin1', magicAt, magicAt + gnuMagic.length)
  const isPosix = magic.startsWith(posixMagic)
  if (!isPosix && magic !== gnuMagic) throw badTar('a header has an unknown format')
  const prefix = isPosix ? textIn(block, prefixField) : emptyBytes
  const ownName = textIn(block, nameField)
  const name = prefix.length === 0 ? ownName : Buffer.concat([prefix, Buffer.from('/'), ownName])
  const sizeBytes = numberIn(block, sizeField)
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0)
    throw badTar('a header has an invalid size')
  const mode = numberIn(block, modeField)
  if (!Number.isSafeInteger(mode)) throw badTar('a header has an invalid mode')
  return {
    type: block[typeAt] === 0 ? '0' : block.toString('latin1', typeAt, typeAt + 1),
    name: Buffer.from(name),
    linkName: Buffer.from(textIn(block, linkNameField)),
    mode,
    sizeBytes,
    modifiedAt: numberIn(block, timeField),
  }
}

/** The sum of all bytes, those of the checksum itself counted as blanks. */
function checksumOf(block: Buffer): number {
  const { at, length } = checksumField
  let sum = length * 32
  for (let index = 0; index < at; index++) sum += block[index]!
  for (let index = at + length; index < tarBlockBytes; index++) sum += block[index]!
  return sum
}

function textIn(block: Buffer, { at, length }: Field): Buffer {
  const field = block.subarray(at, at + length)
  const end = field.indexOf(0)
  return end === -1 ? field : field.subarray(0, end)
}

/** Reads octal digits, or GNU's big-endian number with the first bit set, which is negative if the
 *  second is set, too. NaN for anything else; 0 for an empty field. */
function numberIn(block: Buffer, { at, length }: Field): number {
  const field = block.subarray(at, at + length)
  const first = field[0]!
  if (first === 0x80 || first === 0xff)
    return field.subarray(1).reduce((number, byte) => number * 256 + byte, first === 0xff ? -1 : 0)
  const text = field.toString('latin1')
  if (/^[ \0]*$/.test(text)) return 0
  // Of digits behind a NUL, bsdtar reads none.
  const digits = /^ *([0-7]+)(?:[ \0]|$)/.exec(text)?.[1]
  return digits === undefined ? Number.NaN : Number.parseInt(digits, 8)
}

/** Parses `LENGTH KEY=VALUE\n`, any number of times. Errors: bad_archive. */
export function parsePaxRecords(bytes: Buffer): PaxRecords {
  const records: PaxRecords = new Map()
  for (let at = 0; at < bytes.length;) {
    const head = /^(\d{1,9}) /.exec(bytes.toString('latin1', at, at + 10))
    const end = at + Number(head?.[1] ?? 0)
    const keyAt = at + (head?.[0].length ?? 0)
    const equals = bytes.indexOf('=', keyAt)
    // GNU tar skips blanks in front of a key.
    const hasKey = equals > keyAt && !/[ \t]/.test(String.fromCharCode(bytes[keyAt]!))
    const isWhole = hasKey && equals < end && bytes[end - 1] === 10
    if (!isWhole) throw badTar('an extended header is malformed')
    records.set(bytes.toString('utf8', keyAt, equals), bytes.subarray(equals + 1, end - 1))
    at = end
  }
  return records
}

export function badTar(reason: string): Error {
  return storeError('bad_archive', `the archive is refused: ${reason}`, { reason })
}

const emptyBytes = Buffer.alloc(0)
