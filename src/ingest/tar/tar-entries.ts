/** Reads the structure of a tar: ustar and GNU headers, and what GNU's long names and pax extended
 *  headers add to them (POSIX.1-2017 pax, "pax Interchange Format"; GNU tar, "Basic Tar Format").
 *  Whatever readers of tars could understand differently is rejected. */
import { type BodyBytes, openBodyBytes } from '../body-bytes.ts'
import {
  badTar,
  decodeTarHeader,
  parsePaxRecords,
  type PaxRecords,
  tarBlockBytes,
  type TarHeader,
} from './tar-header.ts'

export interface TarEntry {
  /** The type flag of the header, such as `0` for a file. */
  type: string
  name: Buffer
  linkName: Buffer
  mode: number
  sizeBytes: number
  /** Whole seconds since the epoch; null for an invalid time. */
  modifiedAt: number | null
  /** Whether the content has a map of holes in front (GNU tar, "Storing Sparse Files"). */
  isSparse: boolean
  /** What is left unread is skipped. */
  content: AsyncIterable<Buffer>
}

/** Long names and records for the entry that follows them. */
interface Extension {
  name?: Buffer | undefined
  linkName?: Buffer | undefined
  records: PaxRecords
}

const noRecords: PaxRecords = new Map()

/** The latest time that a Date can hold. */
const secondsMax = 8.64e12

/** Longer extended headers are rejected, as are those for all entries if they are longer together:
 *  they are held in memory. */
const extensionBytesMax = 4 * 1024 * 1024

/** Yields the entries in order and reads `source` to its end. The content of an entry must be read
 *  before the next one is requested. Errors: bad_archive, those of `source`. */
export async function* readTarEntries(
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<TarEntry, void, undefined> {
  const bytes = openBodyBytes(source)
  const ofArchive: PaxRecords = new Map()
  let ofArchiveBytes = 0
  let ofEntry: Extension = { records: noRecords }
  let isEnded = false
  for (let block = await nextBlock(bytes); block !== undefined; block = await nextBlock(bytes)) {
    if (block.every((byte) => byte === 0)) {
      isEnded = true
      continue
    }
    // GNU tar, bsdtar and Python stop at the zeros, others read on.
    if (isEnded) throw badTar('more follows the blocks of zeros that end a tar')
    const header = decodeTarHeader(block)
    const { type, sizeBytes } = header
    if (type === 'x' || type === 'g' || type === 'L' || type === 'K') {
      const content = await readExtension(bytes, sizeBytes)
      if (type === 'g') ofArchiveBytes += sizeBytes
      if (ofArchiveBytes > extensionBytesMax)
        throw badTar(`extended headers for all entries have more than ${extensionBytesMax} bytes`)
      if (type === 'x') {
        if (ofEntry.records !== noRecords) throw badTar('an entry has two extended headers')
        ofEntry.records = parsePaxRecords(content)
      } else if (type === 'g') setAll(ofArchive, parsePaxRecords(content))
      else ofEntry[type === 'L' ? 'name' : 'linkName'] = longName(content)
      continue
    }
    const entry = entryOf(header, ofEntry, ofArchive)
    ofEntry = { records: noRecords }
    const content = contentOf(bytes, entry.sizeBytes)
    yield { ...entry, content }
    for await (const piece of content) void piece
    await skip(bytes, paddingOf(entry.sizeBytes))
  }
  // An archive cut between two entries, as by a `tar` that was killed, is otherwise well-formed,
  // even inside a gzip, which another process ends properly.
  if (!isEnded) throw badTar('it is truncated: the blocks of zeros that end a tar are missing')
}

function setAll(ofArchive: PaxRecords, records: PaxRecords): void {
  for (const [key, value] of records) {
    // bsdtar ignores these records here, and GNU tar does not.
    if (/^(?:path|linkpath|size)$/.test(key) || isOfSparse(key))
      throw badTar(`an extended header gives all entries the same ${key}`)
    ofArchive.set(key, value)
  }
}

/** Whether a record describes a file that is stored without its holes, by GNU tar or by star. */
function isOfSparse(key: string): boolean {
  return key.startsWith('GNU.sparse.') || key === 'SCHILY.realsize'
}

/** Applies what extended headers say about an entry. */
function entryOf(
  header: TarHeader,
  extension: Extension,
  ofArchive: PaxRecords,
): Omit<TarEntry, 'content'> {
  const { records } = extension
  const record = (key: string): Buffer | undefined =>
    present(records.get(key) ?? ofArchive.get(key))
  const size = record('size')?.toString('latin1')
  if (size !== undefined && !/^\d{1,15}$/.test(size)) throw badTar(`a file has the size ${size}`)
  const time = record('mtime')
  const seconds = time === undefined ? header.modifiedAt : secondsIn(time.toString('latin1'))
  return {
    type: header.type,
    name: record('path') ?? extension.name ?? header.name,
    linkName: record('linkpath') ?? extension.linkName ?? header.linkName,
    mode: header.mode,
    sizeBytes: size === undefined ? header.sizeBytes : Number(size),
    modifiedAt: Math.abs(seconds) <= secondsMax ? seconds : null,
    isSparse: [...records.keys()].some(isOfSparse),
  }
}

function secondsIn(text: string): number {
  return /^-?\d+(?:\.\d*)?$/.test(text) ? Math.floor(Number(text)) : Number.NaN
}

/** An empty record withdraws what another header says. */
function present(value: Buffer | undefined): Buffer | undefined {
  return value?.length === 0 ? undefined : value
}

/** Undefined at the end. */
async function nextBlock(bytes: BodyBytes): Promise<Buffer | undefined> {
  const available = await bytes.await(tarBlockBytes)
  if (available === 0) return undefined
  if (available < tarBlockBytes) throw truncated()
  return bytes.take(tarBlockBytes)
}

async function readExtension(bytes: BodyBytes, sizeBytes: number): Promise<Buffer> {
  if (sizeBytes > extensionBytesMax)
    throw badTar(`an extended header has ${sizeBytes} bytes, more than ${extensionBytesMax}`)
  if ((await bytes.await(sizeBytes)) < sizeBytes) throw truncated()
  // Copied, because it outlives the piece of the body that it is in.
  const content = Buffer.from(bytes.take(sizeBytes))
  await skip(bytes, paddingOf(sizeBytes))
  return content
}

async function* contentOf(
  bytes: BodyBytes,
  sizeBytes: number,
): AsyncGenerator<Buffer, void, undefined> {
  for (let left = sizeBytes; left > 0;) {
    if ((await bytes.await(1)) === 0) throw truncated()
    const piece = bytes.take(Math.min(left, bytes.heldBytes()))
    left -= piece.length
    yield piece
  }
}

async function skip(bytes: BodyBytes, count: number): Promise<void> {
  if ((await bytes.await(count)) < count) throw truncated()
  bytes.take(count)
}

function paddingOf(sizeBytes: number): number {
  return (tarBlockBytes - (sizeBytes % tarBlockBytes)) % tarBlockBytes
}

function longName(bytes: Buffer): Buffer {
  const end = bytes.indexOf(0)
  if (end === 0 || bytes.length === 0) throw badTar('a long name is empty')
  return end === -1 ? bytes : bytes.subarray(0, end)
}

function truncated(): Error {
  return badTar('it is truncated')
}
