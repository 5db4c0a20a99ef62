/** A tar (or tar.gz) into entries, in one pass over the body: files of any size, modes, links, times. */
import { isUtf8 } from 'node:buffer'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { type Extract, type Header, extract } from 'tar-stream'
import { normalizeArchivePath, parseEntryPath, unsafePath } from '../core/entry.ts'
import { asError, StoreError, storeError, tooLarge } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { BlobWriter } from './blob-writer.ts'
import { type ByteBudget, byteBudget } from './byte-budget.ts'
import type { EntryTable } from './entry-table.ts'
import { storeFile } from './file-blobs.ts'

export interface TarTarget {
  writer: BlobWriter
  table: EntryTable
  level: number
  artifactBytesMax: number
  signal?: AbortSignal | undefined
}

/** Reads `body` to its end. Errors: bad_archive, unsafe_path, unsupported_entry, too_large, and what `body` fails with
 *  when it fails with a StoreError. */
export async function ingestTar(
  body: Readable,
  compressed: boolean,
  target: TarTarget,
): Promise<void> {
  const parser = extract({ filenameEncoding: bytesAsText } as object)
  const source = compressed ? inflated(body) : body
  const feeding = feed(source, parser)
  // Met below, in whichever order the two sides fail.
  feeding.catch(() => {})
  const budget = byteBudget(target.artifactBytesMax)
  try {
    let entriesEnd = 0
    for await (const entry of parser) {
      target.signal?.throwIfAborted()
      await target.table.room(target.signal)
      entriesEnd = endOf(entry.header)
      await addEntry(entry.header, entry as AsyncIterable<Uint8Array>, { ...target, budget })
    }
    requireEndMark(await feeding, entriesEnd)
  } catch (error) {
    parser.destroy()
    body.destroy()
    const cause = await feeding.then(
      () => error,
      (failure: unknown) => failure,
    )
    throw asArchiveError(cause instanceof StoreError ? cause : error)
  }
}

const blockBytes = 512

/** What was read of a tar. */
interface Fed {
  bytes: number
  /** Zero bytes at the end, counted up to one block. */
  trailingZeros: number
}

async function feed(source: AsyncIterable<Uint8Array>, parser: Extract): Promise<Fed> {
  const fed: Fed = { bytes: 0, trailingZeros: 0 }
  try {
    for await (const piece of source) {
      if (parser.destroyed) return fed
      fed.bytes += piece.length
      fed.trailingZeros = countTrailingZeros(piece, fed.trailingZeros)
      if (!parser.write(piece)) await writable(parser)
    }
    parser.end(null)
    return fed
  } catch (error) {
    parser.destroy(asError(error))
    throw error
  }
}

function countTrailingZeros(piece: Uint8Array, before: number): number {
  let at = piece.length
  const from = Math.max(0, piece.length - blockBytes)
  while (at > from && piece[at - 1] === 0) at -= 1
  const zeros = piece.length - at
  return at === 0 ? Math.min(blockBytes, before + zeros) : zeros
}

/** Offset in the tar at which the content of an entry ends, with its padding. */
function endOf(header: Header): number {
  const sizeBytes = header.type === 'directory' ? 0 : (header.size ?? 0)
  // Set by tar-stream 3.2 to where the header ends.
  const { byteOffset } = header as Header & { byteOffset: number }
  return byteOffset + Math.ceil(sizeBytes / blockBytes) * blockBytes
}

/** A tar ends in blocks of zeros. One that was cut between two entries, as by a `tar` that was killed, is well-formed but for
 *  these, also inside of a gzip, which is ended properly when its writer is another process. Errors: bad_archive. */
function requireEndMark({ bytes, trailingZeros }: Fed, entriesEnd: number): void {
  if (trailingZeros === blockBytes && bytes >= entriesEnd + blockBytes) return
  const reason = 'it is cut short: the blocks of zeros that end a tar are missing'
  throw storeError('bad_archive', `the archive is refused: ${reason}`, { reason })
}

/** Resolves when the parser takes more, or is over. */
async function writable(parser: Extract): Promise<void> {
  await new Promise<void>((resolve) => {
    const settle = (): void => {
      parser.removeListener('drain', settle)
      parser.removeListener('close', settle)
      resolve()
    }
    parser.once('drain', settle)
    parser.once('close', settle)
    if (parser.destroyed) settle()
  })
}

/** Bounds the ratio while inflating, so that a small body cannot cost hours. */
async function* inflated(body: Readable): AsyncGenerator<Uint8Array> {
  let receivedBytes = 0
  let producedBytes = 0
  const gunzip = createGunzip({ chunkSize: 256 * 1024 })
  const feeding = pipeline(
    body,
    async function* counted(source: AsyncIterable<Uint8Array>) {
      for await (const piece of source) {
        receivedBytes += piece.length
        yield piece
      }
    },
    gunzip,
  )
  // A failure reaches the reader below through `gunzip`.
  feeding.catch(() => {})
  for await (const piece of gunzip) {
    producedBytes += (piece as Buffer).length
    const ratioMax = limits.inflateRatioMax
    if (producedBytes > limits.inflateFreeBytes + receivedBytes * ratioMax) {
      const reason = `the archive inflates to more than 1:${ratioMax}`
      throw tooLarge('inflate ratio', ratioMax, reason)
    }
    yield piece as Buffer
  }
}

/** A text of which each character is a byte. */
const bytesAsText = 'latin1'

/** A name of the header, or the one that a link names. What is not UTF-8 would become another name, without a word; records
 *  of extended headers are text already, unless they say otherwise. Errors: unsafe_path. */
function textOf(header: Header, field: 'name' | 'linkname'): string {
  const records = recordsOf(header)
  const record = records[field === 'name' ? 'path' : 'linkpath']
  // tar-stream 3.2 gives header fields by `filenameEncoding`, and replaces them by records that are not empty.
  const bytes = Buffer.from(header[field] ?? '', bytesAsText)
  const text = record ? record : bytes.toString()
  const isText = record
    ? records['hdrcharset'] !== 'BINARY' || !record.includes('\ufffd')
    : isUtf8(bytes)
  if (isText) return text
  throw unsafePath(text, 'it is not UTF-8')
}

/** Of the extended header. */
function recordsOf({ pax }: Header): Partial<Record<string, string>> {
  return pax ?? {}
}

/** Null for a time that is none, as of a header with letters in its place. */
function secondsOf(header: Header): number | null {
  // tar-stream leaves the record aside, which is there when the field cannot say the time: before 1970, behind 2242.
  const { mtime } = recordsOf(header)
  const time = mtime ? new Date(Number(mtime) * 1000) : header.mtime
  const seconds = Math.floor(time.getTime() / 1000)
  return Number.isFinite(seconds) ? seconds : null
}

async function addEntry(
  header: Header,
  entry: AsyncIterable<Uint8Array>,
  target: TarTarget & { budget: ByteBudget },
): Promise<void> {
  const content = target.budget.bound(entry)
  const path = normalizeArchivePath(textOf(header, 'name'))
  const modifiedAt = secondsOf(header)
  if (path === '' && header.type === 'directory') return await drain(content)
  parseEntryPath(path)
  // GNU tar, "Storing Sparse Files": what such an entry holds is a map and the pieces between the holes.
  if (Object.keys(recordsOf(header)).some((key) => key.startsWith('GNU.sparse.')))
    throw unsupported(path, 'sparse file')
  switch (header.type) {
    case 'file':
    case 'contiguous-file': {
      const stored = await storeFile(target.writer, content, { level: target.level })
      target.table.addFile(path, { ...stored, mode: header.mode, modifiedAt })
      return
    }
    case 'directory':
      target.table.addDirectory(path, { mode: header.mode, modifiedAt })
      return await drain(content)
    case 'symlink':
      target.table.addSymlink(path, { target: textOf(header, 'linkname'), modifiedAt })
      return await drain(content)
    case 'link':
      addHardLink(path, header, modifiedAt, target)
      return await drain(content)
    default:
      // tar-stream has no name for a sparse file of the older kind, and for others that nobody writes.
      throw unsupported(path, header.type ?? 'sparse or special file')
  }
}

function unsupported(path: string, kind: string): Error {
  return storeError(
    'unsupported_entry',
    `path ${JSON.stringify(path)} is a ${kind}, which artifacts do not hold`,
    { path, kind },
  )
}

/** A hard link becomes a file of its own: the blob is the same, but whoever downloads it gets its bytes once more. */
function addHardLink(
  path: string,
  header: Header,
  modifiedAt: number | null,
  { table, budget }: { table: EntryTable; budget: ByteBudget },
): void {
  const linked = table.findFile(normalizeArchivePath(textOf(header, 'linkname')))
  if (linked === undefined) {
    throw storeError('bad_archive', `hard link ${JSON.stringify(path)} names no earlier file`, {
      reason: 'a hard link names no earlier file',
    })
  }
  budget.count(linked.sizeBytes)
  table.addFile(path, { ...linked, modifiedAt })
}

async function drain(content: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const piece of content) void piece
}

/** How all messages of tar-stream 3.2's parser begin; its errors have no code. */
const parserWords =
  /^(?:Unexpected end of data|Invalid tar header|Invalid header|Header exceeds max size)/

/** tar-stream and zlib throw plain errors for archives that are cut short or no archives. */
function asArchiveError(error: unknown): unknown {
  if (error instanceof StoreError || !(error instanceof Error)) return error
  const code = 'code' in error ? String(error.code) : ''
  if (!code.startsWith('Z_') && !parserWords.test(error.message)) return error
  const reason =
    code === 'Z_BUF_ERROR' || /Unexpected end/.test(error.message)
      ? 'it is cut short'
      : error.message
  return storeError(
    'bad_archive',
    `the archive is refused: ${reason}`,
    { reason },
    { cause: error },
  )
}
