/** Tar headers: ustar, preceded by a pax extended header where path, link target or size do not fit
 *  or are not ASCII. Owner and group are 0, without names. POSIX.1-2017 pax, "ustar Interchange
 *  Format". */
import type { StoredEntry } from '../../metadata/metadata.ts'

const blockBytes = 512
const nameBytesMax = 100
const prefixBytesMax = 155
const prefixAt = 345
/** Eleven octal digits. */
const octal11Max = 0o77777777777

const typeFlags = { file: '0', symlink: '2', directory: '5' } as const
type TypeFlag = (typeof typeFlags)[StoredEntry['kind']] | 'x'

/** Everything that precedes the entry's content, in whole blocks. Its length, and where its fields
 *  end, depend on the entry alone; a time outside the range of eleven octal digits is clamped. */
export function tarHeader(entry: StoredEntry, modifiedAt: number | null): Buffer {
  const path = entry.kind === 'directory' ? `${entry.path}/` : entry.path
  const target = entry.kind === 'symlink' ? entry.target : ''
  const sizeBytes = entry.kind === 'file' ? entry.sizeBytes : 0
  const place = placePath(path)
  const records: [key: string, value: string][] = []
  if (place === undefined) records.push(['path', path])
  if (!fitsField(target, nameBytesMax)) records.push(['linkpath', target])
  if (sizeBytes > octal11Max) records.push(['size', String(sizeBytes)])
  const header = ustarHeader({
    name: place === undefined ? asciiName(path, nameBytesMax) : place.name,
    prefix: place === undefined ? '' : place.prefix,
    mode: entry.mode,
    // A size that does not fit is in the extended header, which overrides this field.
    sizeBytes: sizeBytes > octal11Max ? 0 : sizeBytes,
    modifiedAt: Math.min(Math.max(modifiedAt ?? 0, 0), octal11Max),
    typeFlag: typeFlags[entry.kind],
    target: asciiName(target, nameBytesMax),
  })
  return records.length === 0 ? header : Buffer.concat([paxHeader(path, records), header])
}

/** Headers with the same shape have fields that end at the same offsets and contain only ASCII, so
 *  they take the same number of bits in `fixed-deflate.ts`. Undefined for an entry that needs an
 *  extended header. */
export function tarHeaderShape(entry: StoredEntry): number | undefined {
  const place = placePath(entry.kind === 'directory' ? `${entry.path}/` : entry.path)
  const target = entry.kind === 'symlink' ? entry.target : ''
  if (place === undefined || !fitsField(target, nameBytesMax)) return undefined
  if (entry.kind === 'file' && entry.sizeBytes > octal11Max) return undefined
  const lengths = [place.name, place.prefix, target].map((field) => field.length)
  return lengths.reduce((shape, length) => shape * 256 + length, 0)
}

/** Splits a path into the two fields that hold it; undefined when it needs an extended header. */
function placePath(path: string): { name: string; prefix: string } | undefined {
  if (fitsField(path, nameBytesMax)) return { name: path, prefix: '' }
  if (!fitsField(path, prefixBytesMax + 1 + nameBytesMax)) return undefined
  // The slash between prefix and name is not stored. Split at the first slash that leaves a short
  // enough name.
  const slash = path.indexOf('/', path.length - nameBytesMax - 1)
  if (slash < 1 || slash > prefixBytesMax || slash === path.length - 1) return undefined
  return { name: path.slice(slash + 1), prefix: path.slice(0, slash) }
}

function fitsField(text: string, bytesMax: number): boolean {
  return text.length <= bytesMax && isAscii(text)
}

function isAscii(text: string): boolean {
  return Buffer.byteLength(text) === text.length
}

/** The fallback for readers without pax support. */
function asciiName(text: string, charactersMax: number): string {
  return text.slice(0, charactersMax).replace(/[^ -~]/g, '_')
}

function paxHeader(path: string, records: [key: string, value: string][]): Buffer {
  const body = Buffer.from(records.map(([key, value]) => paxRecord(key, value)).join(''))
  const header = ustarHeader({
    name: `PaxHeaders/${asciiName(path, nameBytesMax - 11)}`,
    prefix: '',
    mode: 0o644,
    sizeBytes: body.length,
    modifiedAt: 0,
    typeFlag: 'x',
    target: '',
  })
  return Buffer.concat([
    header,
    body,
    Buffer.alloc((blockBytes - (body.length % blockBytes)) % blockBytes),
  ])
}

/** `<length> <key>=<value>\n`, where the length includes its own digits. */
function paxRecord(key: string, value: string): string {
  const rest = Buffer.byteLength(` ${key}=${value}\n`)
  let length = rest + String(rest).length
  // Adding the digits can make the length one digit longer.
  length = rest + String(length).length
  return `${length} ${key}=${value}\n`
}

function ustarHeader(fields: {
  name: string
  prefix: string
  mode: number
  sizeBytes: number
  modifiedAt: number
  typeFlag: TypeFlag
  target: string
}): Buffer {
  const header = Buffer.alloc(blockBytes)
  header.write(fields.name, 0, 'latin1')
  writeOctal(header, fields.mode, { at: 100, digits: 7 })
  writeOctal(header, 0, { at: 108, digits: 7 })
  writeOctal(header, 0, { at: 116, digits: 7 })
  writeOctal(header, fields.sizeBytes, { at: 124, digits: 11 })
  writeOctal(header, fields.modifiedAt, { at: 136, digits: 11 })
  // The checksum is computed with its own field blank.
  header.write('        ', 148, 'latin1')
  header.write(fields.typeFlag, 156, 'latin1')
  header.write(fields.target, 157, 'latin1')
  header.write('ustar\u000000', 257, 'latin1')
  header.write(fields.prefix, prefixAt, 'latin1')
  let sum = 0
  // Only NULs follow the prefix.
  for (let at = 0; at < prefixAt + fields.prefix.length; at++) sum += header[at]!
  writeOctal(header, sum, { at: 148, digits: 6 })
  header[154] = 0
  return header
}

/** Writes octal digits; the rest of the field is left unchanged. */
function writeOctal(header: Buffer, value: number, field: { at: number; digits: number }): void {
  let rest = value
  for (let at = field.at + field.digits - 1; at >= field.at; at--) {
    header[at] = 0x30 + (rest % 8)
    // Sizes have more bits than bitwise operators support.
    rest = Math.floor(rest / 8)
  }
}
