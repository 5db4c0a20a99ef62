/** What was known of a download's directory when it was left: the tree that it was brought to, and of each file the look of
 *  its inode. So the next download is sent only what is different, and need not read files that did not change. One file for
 *  each directory, replaced as a whole.
 *
 *    magic · entries · bytes of the server's URL · CRC-32 of the columns · artifact id (a double)
 *    4 × entries doubles (size, mtime ms, ctime ms, inode; NaN of what is no file, or is racy: stat-cache.ts)
 *    entries + 1 offsets, where in the text each line begins and the last one ends
 *    URL · canonical text (core/manifest.ts) without its first line
 *
 *  It is only a cache: one that is missing, damaged or of another version is nothing. The text has no checksum: what comes of
 *  one that is damaged has another tree digest, and is fetched whole. */
import { crc32 } from '../core/crc32.ts'
import type { ManifestLines } from '../core/manifest-changes.ts'
import { type CacheFile, openCacheFile, readCacheFile } from './cache-files.ts'
import { numbersOf, statColumns } from './stat-cache.ts'
import type { FetchedTree } from './tree-columns.ts'

/** A tree, as the artifact of a server. */
export interface TreeOrigin {
  artifactId: number
  url: string
}

/** In shared memory, as threads look at the files. */
export interface DestinationCache extends TreeOrigin, ManifestLines {
  /** Lines, each an entry. */
  readonly count: number
  /** `statColumns` numbers a line. */
  readonly stats: Float64Array
}

const magic = Buffer.from('trove destination 1\n\0\0\0\0', 'latin1')
const headBytes = magic.length + 24

/** `path` null: nothing is remembered. */
export async function readDestinationCache(path: string | null): Promise<DestinationCache | null> {
  const bytes = await readCacheFile(path)
  if (bytes === undefined || bytes.length < headBytes) return null
  if (!bytes.subarray(0, magic.length).equals(magic)) return null
  const count = bytes.readUInt32LE(magic.length)
  const columnsEnd = headBytes + columnsBytes(count)
  const textAt = columnsEnd + bytes.readUInt32LE(magic.length + 4)
  if (bytes.length < textAt) return null
  const columns = bytes.subarray(headBytes, columnsEnd)
  if (bytes.readUInt32LE(magic.length + 8) !== crc32(columns)) return null
  const text = bytes.subarray(textAt)
  const startsAt = count * statColumns * 8
  const starts = new Uint32Array(columns.buffer, columns.byteOffset + startsAt, count + 1)
  if (starts[count] !== text.length) return null
  return {
    artifactId: bytes.readDoubleLE(magic.length + 16),
    url: bytes.toString('utf8', columnsEnd, textAt),
    count,
    text,
    starts,
    stats: numbersOf(columns.subarray(0, startsAt)),
  }
}

export interface DestinationCacheWriter {
  /** Puts it in place of the one before. Never fails: without it the next download looks at everything. */
  save(stats: Float64Array): Promise<void>
  /** Forgets what was written. */
  abandon(): Promise<void>
}

/** Bytes that are written at once; many small pieces of text would each cost a call. */
const blockBytes = 256 * 1024

/** Begins to write the text, which is known before the files are there. `path` null: nothing is remembered. `previous`: what
 *  is there, which stays when it says the same. */
export function rememberDestination(
  path: string | null,
  origin: TreeOrigin,
  tree: Pick<FetchedTree, 'count' | 'text' | 'lineStarts'>,
  previous: DestinationCache | null,
): DestinationCacheWriter {
  if (path === null) return { save: () => Promise.resolve(), abandon: () => Promise.resolve() }
  const mayStay = previous?.artifactId === origin.artifactId && previous.url === origin.url
  let begun = mayStay ? undefined : beginCache(path, origin, tree)
  return {
    save: async (stats) => {
      if (mayStay && bytesOf(stats).equals(bytesOf(previous.stats))) return
      begun ??= beginCache(path, origin, tree)
      await begun.save(stats)
    },
    abandon: async () => {
      await begun?.abandon()
    },
  }
}

function beginCache(
  path: string,
  { artifactId, url }: TreeOrigin,
  { count, text, lineStarts }: Pick<FetchedTree, 'count' | 'text' | 'lineStarts'>,
): DestinationCacheWriter {
  const urlBytes = Buffer.from(url)
  const opening = openCacheFile(path)
  const writing = opening.then(async (file) => {
    await writeBlocks(file, [urlBytes, ...text], headBytes + columnsBytes(count))
    return file
  })
  // Met at the end.
  writing.catch(() => {})
  const abandon = async (): Promise<void> => {
    await writing.catch(() => {})
    await opening.then((file) => file.abandon()).catch(() => {})
  }
  return {
    save: async (stats) => {
      try {
        const columns = [bytesOf(stats), bytesOf(lineStarts())]
        const head = Buffer.concat([magic, Buffer.alloc(headBytes - magic.length)])
        head.writeUInt32LE(count, magic.length)
        head.writeUInt32LE(urlBytes.length, magic.length + 4)
        head.writeUInt32LE(
          columns.reduce((check, each) => crc32(each, check), 0),
          magic.length + 8,
        )
        head.writeDoubleLE(artifactId, magic.length + 16)
        const file = await writing
        await writeBlocks(file, [head, ...columns], 0)
        await file.finish()
      } catch {
        await abandon()
      }
    },
    abandon,
  }
}

function columnsBytes(count: number): number {
  return count * statColumns * 8 + (count + 1) * 4
}

function bytesOf({ buffer, byteOffset, byteLength }: Float64Array | Uint32Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength)
}

async function writeBlocks(
  file: CacheFile,
  pieces: readonly Uint8Array[],
  start: number,
): Promise<void> {
  // One for all: dead ones would pile up before they are collected.
  const block = Buffer.allocUnsafeSlow(blockBytes)
  let at = start
  let bytes = 0
  const write = async (all: Uint8Array): Promise<void> => {
    await file.write(all, at)
    at += all.length
  }
  for (const piece of pieces) {
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
  await write(block.subarray(0, bytes))
}
