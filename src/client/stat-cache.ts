/** What an upload knew of its files the last time: path, size, mtime, ctime and inode → digest, so that files which did not
 *  change are not read again. One file for each tree, replaced as a whole.
 *
 *    magic · count · bytes of paths · CRC-32 of what follows
 *    4 × count doubles (size, mtime ms, ctime ms, inode) · count digests · paths, each ended by a line feed, ascending
 *
 *  A file whose mtime is as young as the look at it could have changed again without a new mtime, so it is not recorded
 *  (git calls such timestamps racy). It is only a cache: one that is missing, damaged or of another version is empty. */
import { crc32 } from '../core/crc32.ts'
import { comparePaths } from '../core/entry.ts'
import { readCacheFile } from './cache-files.ts'

/** Identity of a file's content as far as a look at its inode goes: four numbers. */
export const statColumns = 4
export const digestBytes = 32

/** Of a path that the cache does not have. */
export const notCached = -1

export interface StatCache {
  readonly count: number
  /** Columns of all files: `statColumns` numbers and 32 bytes each. */
  readonly stats: Float64Array
  readonly digests: Uint8Array
  /** Answers where in the cache paths stand that are asked for in ascending order, or `notCached`. */
  cursor(): (path: string) => number
}

/** What a cache begins with. */
export const magic = Buffer.from('trove stat 1\n\0\0\0', 'latin1')
const headBytes = magic.length + 16

/** Timestamps of Linux file systems come from a clock that ticks every 10 ms at most; a file system without fractions of
 *  seconds has ticks of up to 2 s. */
const fineTickMs = 50
const coarseTickMs = 2000

/** Whether a file with this mtime, looked at no earlier than `lookedAt`, may change without showing it. */
export function isRacy(mtimeMs: number, lookedAt: number): boolean {
  return mtimeMs + (Number.isInteger(mtimeMs / 1000) ? coarseTickMs : fineTickMs) > lookedAt
}

const emptyCache = createCache(Buffer.alloc(headBytes), 0)

/** `path` null: nothing is remembered. */
export async function readStatCache(path: string | null): Promise<StatCache> {
  const bytes = await readCacheFile(path)
  if (bytes === undefined) return emptyCache
  if (bytes.length < headBytes || !bytes.subarray(0, magic.length).equals(magic)) return emptyCache
  const count = bytes.readUInt32LE(magic.length)
  const pathBytes = bytes.readUInt32LE(magic.length + 4)
  const expectedBytes = headBytes + count * (statColumns * 8 + digestBytes) + pathBytes
  if (
    bytes.length !== expectedBytes ||
    bytes.readUInt32LE(magic.length + 8) !== crc32(bytes.subarray(headBytes))
  ) {
    return emptyCache
  }
  return createCache(bytes, count)
}

function createCache(bytes: Buffer, count: number): StatCache {
  const digestsAt = headBytes + count * statColumns * 8
  const pathsAt = digestsAt + count * digestBytes
  const stats = numbersOf(bytes.subarray(headBytes, digestsAt))
  const digests = bytes.subarray(digestsAt, pathsAt)
  const paths = bytes.subarray(pathsAt)
  return { count, stats, digests, cursor: () => createCursor(paths, count) }
}

function createCursor(paths: Buffer, count: number): (path: string) => number {
  let at = 0
  let index = -1
  let current = ''
  const advance = (): void => {
    index += 1
    if (index >= count) return
    const end = paths.indexOf(0x0a, at)
    current = paths.toString('utf8', at, end)
    at = end + 1
  }
  advance()
  return (path) => {
    while (index < count && comparePaths(current, path) < 0) advance()
    return index < count && current === path ? index : notCached
  }
}

/** Doubles in place where they are aligned, else copied. */
export function numbersOf({ buffer, byteOffset, length }: Buffer): Float64Array {
  if (byteOffset % 8 === 0) return new Float64Array(buffer, byteOffset, length / 8)
  return new Float64Array(buffer.slice(byteOffset, byteOffset + length))
}

/** What is known of some files, one after the other, as threads take it: stats are NaN for those that are `notCached`. Null
 *  when all are. */
export function knownColumns(
  cache: StatCache,
  indexes: readonly number[],
): { stats: Float64Array; digests: Uint8Array } | null {
  if (indexes.every((index) => index === notCached)) return null
  const stats = new Float64Array(indexes.length * statColumns).fill(Number.NaN)
  const digests = new Uint8Array(indexes.length * digestBytes)
  for (const [at, index] of indexes.entries()) {
    if (index === notCached) continue
    for (let column = 0; column < statColumns; column++)
      stats[at * statColumns + column] = cache.stats[index * statColumns + column]!
    for (let byte = 0; byte < digestBytes; byte++)
      digests[at * digestBytes + byte] = cache.digests[index * digestBytes + byte]!
  }
  return { stats, digests }
}
