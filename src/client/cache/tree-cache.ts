/** The last seen state of a directory tree, so that unchanged files need not be read again: the
 *  manifest line of each entry, and the stats of each file's inode. One file for each tree,
 *  replaced as a whole:
 *
 *    magic · entries · bytes of the origin · CRC-32 of the columns · CRC-32 of origin and text
 *    when it was saved, as a double
 *    4 × entries doubles (size, mtime ms, ctime ms, inode; NaN for entries that are no file or are
 *      racy: files/racy.ts)
 *    entries + 1 offsets: where each line begins in the text, and where the last one ends
 *    origin · canonical text (core/manifest/manifest.ts) without its first line
 *
 *  A cache that is missing, damaged or of another version is ignored, and so are stats of files
 *  that may not have reached the disk. */
import { uptime } from 'node:os'
import { asBuffer } from '../../core/bytes/as-buffer.ts'
import { crc32 } from '../../core/bytes/crc32.ts'
import type { ManifestLines } from '../../core/manifest/manifest-changes.ts'
import { statColumns } from '../files/stat-columns.ts'
import { type CacheFile, openCacheFile, readCacheFile } from './cache-files.ts'

/** Held in shared memory, because worker threads check the files. */
export interface TreeCache extends ManifestLines {
  /** Number of lines; each is an entry. */
  readonly count: number
  /** `statColumns` numbers for each line. */
  readonly stats: Float64Array
  /** Identifies the tree that was cached; its meaning is up to the writer of the cache. */
  readonly origin: Buffer
}

const magicBytes = 24
const headBytes = magicBytes + 16

/** Returns the first `magicBytes` of a cache's file, which identify its kind and version. */
export function treeCacheMagic(what: string, version: number): Buffer {
  const magic = Buffer.alloc(magicBytes)
  magic.write(`trove ${what} ${version}\n`, 'latin1')
  return magic
}

/** `path` null: there is no cache. */
export async function readTreeCache(path: string | null, magic: Buffer): Promise<TreeCache | null> {
  const bytes = await readCacheFile(path)
  if (bytes === undefined || bytes.length < headBytes) return null
  if (!bytes.subarray(0, magicBytes).equals(magic)) return null
  const [count, originBytes, columnsCheck, textCheck] = [0, 4, 8, 12].map((at) =>
    bytes.readUInt32LE(magicBytes + at),
  ) as [number, number, number, number]
  const originAt = headBytes + columnsBytes(count)
  const textAt = originAt + originBytes
  if (bytes.length < textAt) return null
  const columns = bytes.subarray(headBytes, originAt)
  if (columnsCheck !== crc32(columns) || textCheck !== crc32(bytes.subarray(originAt))) return null
  const savedAt = columns.readDoubleLE()
  const stats = new Float64Array(columns.buffer, columns.byteOffset + 8, count * statColumns)
  const text = bytes.subarray(textAt)
  const startsAt = stats.byteOffset + stats.byteLength
  const starts = new Uint32Array(columns.buffer, startsAt, count + 1)
  if (starts[count] !== text.length) return null
  if (hasRestartedSince(savedAt)) forgetUnwritten(stats, savedAt)
  return {
    count,
    origin: bytes.subarray(originAt, textAt),
    text,
    starts,
    stats,
  }
}

/** Linux begins to write contents after 30 s (proc_sys_vm: dirty_expire_centisecs), or some
 *  minutes when it saves power. */
const writtenAfterMs = 10 * 60 * 1000

/** Whether the system was started after `savedAt`. A clock that was set can make it look so. */
function hasRestartedSince(savedAt: number): boolean {
  const now = Date.now()
  return savedAt > now || now - uptime() * 1000 > savedAt
}

/** Clears the stats of files that were new when the cache was saved. After a power loss a file can
 *  have its size and times, but not its content: a large one of a download is zeros then. Waiting
 *  for the disk would slow down every download. */
function forgetUnwritten(stats: Float64Array, savedAt: number): void {
  for (let at = 0; at < stats.length; at += statColumns)
    if (stats[at + 2]! + writtenAfterMs > savedAt) stats[at] = Number.NaN
}

export interface TreeCacheWriter {
  /** Replaces the previous cache, after `when` resolves if it is given; abandons the new one if
   *  `when` rejects. Never fails: without a cache the next run checks everything. */
  save(stats: Float64Array, when?: Promise<unknown>): Promise<void>
  /** Discards what was written. */
  abandon(): Promise<void>
}

export interface CachedTree {
  readonly count: number
  readonly origin: Buffer
  /** Its lines, in pieces. */
  readonly text: Iterable<Buffer>
  /** Called after all of the text is written. */
  lineStarts(): Uint32Array
}

/** Bytes per write; writing each small piece of text by itself would cost a system call each. */
const blockBytes = 256 * 1024

/** Starts to write the text, which is known before the stats are. */
export function beginTreeCache(
  path: string,
  magic: Buffer,
  { count, origin, text, lineStarts }: CachedTree,
): TreeCacheWriter {
  const opening = openCacheFile(path)
  const writing = opening.then(async (file) => ({
    file,
    textCheck: await writeBlocks(file, [origin], text, headBytes + columnsBytes(count)),
  }))
  // Rejections are handled where `writing` is awaited.
  writing.catch(() => {})
  const abandon = async (): Promise<void> => {
    await writing.catch(() => {})
    await opening.then((file) => file.abandon()).catch(() => {})
  }
  return {
    save: async (stats, when) => {
      // Rejections are handled where `when` is awaited.
      when?.catch(() => {})
      try {
        const { file, textCheck } = await writing
        const savedAt = Buffer.alloc(8)
        savedAt.writeDoubleLE(Date.now())
        const columns = [savedAt, asBuffer(stats), asBuffer(lineStarts())]
        const head = Buffer.concat([magic, Buffer.alloc(headBytes - magicBytes)])
        head.writeUInt32LE(count, magicBytes)
        head.writeUInt32LE(origin.length, magicBytes + 4)
        head.writeUInt32LE(
          columns.reduce((check, each) => crc32(each, check), 0),
          magicBytes + 8,
        )
        head.writeUInt32LE(textCheck, magicBytes + 12)
        await writeBlocks(file, [head], columns, 0)
        await when
        await file.finish()
      } catch {
        await abandon()
      }
    },
    abandon,
  }
}

function columnsBytes(count: number): number {
  return 8 + count * statColumns * 8 + (count + 1) * 4
}

/** Returns the CRC-32 of everything written. */
async function writeBlocks(
  file: CacheFile,
  first: readonly Buffer[],
  pieces: Iterable<Buffer>,
  start: number,
): Promise<number> {
  // One buffer for all writes: discarded ones would pile up before they are collected.
  const block = Buffer.allocUnsafeSlow(blockBytes)
  let at = start
  let bytes = 0
  let check = 0
  const write = async (all: Uint8Array): Promise<void> => {
    await file.write(all, at)
    at += all.length
  }
  const take = async (piece: Buffer): Promise<void> => {
    check = crc32(piece, check)
    if (bytes + piece.length > blockBytes && bytes > 0) {
      await write(block.subarray(0, bytes))
      bytes = 0
    }
    if (piece.length > blockBytes) {
      await write(piece)
    } else {
      block.set(piece, bytes)
      bytes += piece.length
    }
  }
  for (const piece of first) await take(piece)
  for (const piece of pieces) await take(piece)
  await write(block.subarray(0, bytes))
  return check
}
