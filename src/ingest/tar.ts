/** Ingests a tar (or tar.gz) as entries, in one pass over the body: files of any size, modes,
 *  links, times. */
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

/** Reads `body` to its end.
 *  Errors: bad_archive, unsafe_path, unsupported_entry, too_large, and StoreErrors of `body`. */
export async function ingestTar(
  body: Readable,
  compressed: boolean,
  target: TarTarget,
): Promise<void> {
  const parser = extract({ filenameEncoding: bytesAsText } as object)
  // tar-stream 3.2 sets this at a long header and clears it only once it has read one that is not
  // empty. After an empty one it would read the bytes behind the next file as the long header.
  parser.on('entry', () => {
    Object.assign(parser, { _longHeader: false })
  })
  const source = compressed ? inflated(body) : body
  const feeding = feed(source, parser)
  // Handled below, whichever side fails first.
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
  // Set by tar-stream 3.2 to where the header ends.
  const { byteOffset } = header as Header & { byteOffset: number }
  return byteOffset + Math.ceil((header.size ?? 0) / blockBytes) * blockBytes
}

/** Requires the block of zeros that ends a tar. An archive cut between two entries, as by a `tar`
 *  that was killed, is otherwise well-formed, even inside a gzip, which another process ends
 *  properly.
 *  Errors: bad_archive. */
function requireEndMark({ bytes, trailingZeros }: Fed, entriesEnd: number): void {
  if (trailingZeros === blockBytes && bytes >= entriesEnd + blockBytes) return
  const reason = 'it is truncated: the blocks of zeros that end a tar are missing'
  throw storeError('bad_archive', `the archive is rejected: ${reason}`, { reason })
}

/** Resolves when the parser accepts more, or is destroyed. */
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
      const reason = `the archive inflates by more than 1:${ratioMax}`
      throw tooLarge('inflate ratio', ratioMax, reason)
    }
    yield piece as Buffer
  }
}

/** Decodes each byte as one character. */
const bytesAsText = 'latin1'

/** Returns the entry's name or link target. Text that is not UTF-8 is rejected, because it would
 *  silently become a different name. Records of extended headers are text already, unless they say
 *  otherwise.
 *  Errors: unsafe_path. */
function textOf(header: Header, field: 'name' | 'linkname'): string {
  const records = recordsOf(header)
  const record = records[field === 'name' ? 'path' : 'linkpath']
  // tar-stream 3.2 decodes header fields with `filenameEncoding`, and overrides them with non-empty
  // records.
  const bytes = Buffer.from(header[field] ?? '', bytesAsText)
  const text = record ? record : bytes.toString()
  const isText = record
    ? records['hdrcharset'] !== 'BINARY' || !record.includes('\ufffd')
    : isUtf8(bytes)
  if (isText) return text
  throw unsafePath(text, 'it is not UTF-8')
}

/** The records of the extended header. */
function recordsOf({ pax }: Header): Partial<Record<string, string>> {
  return pax ?? {}
}

/** Returns null for an invalid time, such as letters in its field. */
function secondsOf(header: Header): number | null {
  // tar-stream ignores this record, which is present when the field cannot hold the time: before
  // 1970 or after 2242.
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
  requireNoContent(path, header)
  if (path === '' && header.type === 'directory') return await drain(content)
  parseEntryPath(path)
  // GNU tar, "Storing Sparse Files": such an entry contains a map and the pieces between the holes.
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
      // tar-stream has no name for older sparse files and other rare types.
      throw unsupported(path, header.type ?? 'sparse or special file')
  }
}

/** Of a directory or link with a size, readers disagree on whether content follows: one of them
 *  would lose entries, and tar-stream 3.2 waits forever for the content of a directory. */
function requireNoContent(path: string, { type, size }: Header): void {
  if (!/^(?:directory|symlink|link)$/.test(type ?? '') || (size ?? 0) === 0) return
  const reason = `${type} ${JSON.stringify(path)} has a size`
  throw storeError('bad_archive', `the archive is refused: ${reason}`, { reason })
}

function unsupported(path: string, kind: string): Error {
  return storeError(
    'unsupported_entry',
    `path ${JSON.stringify(path)} is a ${kind}, which artifacts cannot hold`,
    { path, kind },
  )
}

/** A hard link becomes a file of its own: the blob is stored once, but a download contains its
 *  bytes again. */
function addHardLink(
  path: string,
  header: Header,
  modifiedAt: number | null,
  { table, budget }: { table: EntryTable; budget: ByteBudget },
): void {
  const linked = table.findFile(normalizeArchivePath(textOf(header, 'linkname')))
  if (linked === undefined) {
    throw storeError(
      'bad_archive',
      `hard link ${JSON.stringify(path)} does not name an earlier file`,
      {
        reason: 'a hard link does not name an earlier file',
      },
    )
  }
  budget.count(linked.sizeBytes)
  table.addFile(path, { ...linked, modifiedAt })
}

async function drain(content: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const piece of content) void piece
}

/** Prefixes of all messages of tar-stream 3.2's parser; its errors have no code. */
const parserWords =
  /^(?:Unexpected end of data|Invalid tar header|Invalid header|Header exceeds max size)/

/** tar-stream and zlib throw plain errors for truncated archives and for bytes that are not an
 *  archive. */
function asArchiveError(error: unknown): unknown {
  if (error instanceof StoreError || !(error instanceof Error)) return error
  const code = 'code' in error ? String(error.code) : ''
  if (!code.startsWith('Z_') && !parserWords.test(error.message)) return error
  const reason =
    code === 'Z_BUF_ERROR' || /Unexpected end/.test(error.message)
      ? 'it is truncated'
      : error.message
  return storeError(
    'bad_archive',
    `the archive is rejected: ${reason}`,
    { reason },
    { cause: error },
  )
}
