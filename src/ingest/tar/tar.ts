/** Ingests a tar (or tar.gz) as entries, in one pass over the body: files of any size, modes,
 *  links, times. */
import { isUtf8 } from 'node:buffer'
import { pipeline, type Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { normalizeArchivePath, parseEntryPath, unsafePath } from '../../core/manifest/entry.ts'
import { errorCodeOf, storeError, tooLarge } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import type { BlobWriter } from '../blob-writer.ts'
import { type ByteBudget, byteBudget } from '../byte-budget.ts'
import type { EntryTable } from '../entry-table.ts'
import { storeFile } from '../file-blobs.ts'
import { readTarEntries, type TarEntry } from './tar-entries.ts'
import { badTar } from './tar-header.ts'

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
  form: 'tar' | 'tar.gz',
  target: TarTarget,
): Promise<void> {
  const source = form === 'tar.gz' ? inflated(body) : body
  const budget = byteBudget(target.artifactBytesMax)
  try {
    for await (const entry of readTarEntries(source)) {
      target.signal?.throwIfAborted()
      await target.table.room(target.signal)
      await addEntry(entry, { ...target, budget })
    }
  } catch (error) {
    body.destroy()
    throw asArchiveError(error)
  }
}

/** Bounds the ratio while inflating, so that a small body cannot cost hours. */
async function* inflated(body: Readable): AsyncGenerator<Uint8Array> {
  let receivedBytes = 0
  let producedBytes = 0
  const counted = async function* (source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const piece of source) {
      receivedBytes += piece.length
      yield piece
    }
  }
  // A failure reaches the reader below through the stream.
  const pieces = pipeline(body, counted, createGunzip({ chunkSize: 256 * 1024 }), () => {})
  for await (const piece of pieces) {
    producedBytes += (piece as Buffer).length
    const ratioMax = limits.inflateRatioMax
    if (producedBytes > limits.inflateFreeBytes + receivedBytes * ratioMax) {
      const reason = `the archive inflates by more than 1:${ratioMax}`
      throw tooLarge('inflate ratio', ratioMax, reason)
    }
    yield piece as Buffer
  }
}

/** Returns the entry's name or link target. Text that is not UTF-8 is rejected, because it would
 *  silently become a different name. Errors: unsafe_path. */
function textOf(bytes: Buffer): string {
  const text = bytes.toString()
  if (isUtf8(bytes)) return text
  throw unsafePath(text, 'it is not UTF-8')
}

async function addEntry(
  entry: TarEntry,
  target: TarTarget & { budget: ByteBudget },
): Promise<void> {
  const { type, modifiedAt, mode } = entry
  const { table, writer, level } = target
  const name = textOf(entry.name)
  const path = normalizeArchivePath(name)
  const isContent = type === '0' || type === '7'
  // Tars of before POSIX have no type for directories.
  const isDirectory = type === '5' || (isContent && name.endsWith('/'))
  if (!isDirectory && /(?:^|\/)\.$/.test(name))
    throw badTar(`${JSON.stringify(name)} names a directory, but is none`)
  if (entry.isSparse || type === 'S') throw unsupported(path, 'sparse file')
  if (isDirectory || type === '1' || type === '2') requireNoContent(path, entry)
  if (path === '' && isDirectory) return
  parseEntryPath(path)
  if (isDirectory) {
    table.addDirectory(path, { mode, modifiedAt })
  } else if (isContent) {
    const stored = await storeFile(writer, target.budget.bound(entry.content), { level })
    table.addFile(path, { ...stored, mode, modifiedAt })
  } else if (type === '2') {
    table.addSymlink(path, { target: textOf(entry.linkName), modifiedAt })
  } else if (type === '1') {
    addHardLink(path, entry, target)
  } else {
    throw unsupported(path, specialTypes[type] ?? 'special file')
  }
}

const specialTypes: Partial<Record<string, string>> = {
  3: 'character device',
  4: 'block device',
  6: 'fifo',
}

/** Of a directory or link with a size, readers disagree on whether content follows: one of them
 *  would lose entries. */
function requireNoContent(path: string, { sizeBytes }: TarEntry): void {
  if (sizeBytes > 0) throw badTar(`${JSON.stringify(path)} has a size, but is no file`)
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
  { linkName, modifiedAt }: TarEntry,
  { table, budget }: { table: EntryTable; budget: ByteBudget },
): void {
  const linked = table.findFile(normalizeArchivePath(textOf(linkName)))
  if (linked === undefined)
    throw badTar(`the hard link ${JSON.stringify(path)} does not name an earlier file`)
  budget.count(linked.sizeBytes)
  table.addFile(path, { ...linked, modifiedAt })
}

/** zlib throws plain errors for truncated streams and for bytes that are none. */
function asArchiveError(error: unknown): unknown {
  const code = errorCodeOf(error)
  if (!code.startsWith('Z_')) return error
  return badTar(code === 'Z_BUF_ERROR' ? 'it is truncated' : (error as Error).message)
}
