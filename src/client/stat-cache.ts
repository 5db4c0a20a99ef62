/** What was known of files the last time: path, size, mtime, ctime and inode → digest, so that files which did not change
 *  are not read again. One file for each tree, replaced as a whole.
 *
 *    magic · count · bytes of paths · CRC-32 of what follows
 *    4 × count doubles (size, mtime ms, ctime ms, inode) · count digests · paths, each ended by a line feed, ascending
 *
 *  A file whose mtime is as young as the look at it could have changed again without a new mtime, so it is not recorded
 *  (git calls such timestamps racy). It is only a cache: one that is missing, damaged or of another version is empty. */
import { randomBytes } from 'node:crypto'
import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { crc32 } from '../core/crc32.ts'
import { digestOf } from '../core/digest.ts'
import { comparePaths } from '../core/entry.ts'

/** Identity of a file's content as far as a look at its inode goes: four numbers. */
export const statColumns = 4
export const digestBytes = 32

/** What is known of one file, as slices of larger columns. */
export interface CachedFile {
  /** Where it stands in the cache. */
  index: number
  stats: Float64Array
  digest: Uint8Array
}

export interface StatCache {
  readonly count: number
  /** Answers what is known of paths that are asked for in ascending order. */
  cursor(): (path: string) => CachedFile | undefined
  /** All files in order, `size` at a time, in buffers of their own that can be given to a thread. */
  slices(size: number): Generator<CacheSlice, void, undefined>
}

export interface CacheSlice {
  /** Where the first file stands in the cache. */
  first: number
  /** Each ended by a line feed. */
  paths: Uint8Array
  stats: Float64Array
}

/** Collects the next cache, in ascending order of paths. */
export interface StatCacheWriter {
  add(path: string, stats: Float64Array, digest: Uint8Array): void
  /** Puts it in place of the one before, at once. */
  save(): void
}

const magic = Buffer.from('trove stat 1\n\0\0\0', 'latin1')
const headBytes = magic.length + 16
/** Trees whose caches are kept; the longest unused go first. */
const filesMax = 64

/** Timestamps of Linux file systems come from a clock that ticks every 10 ms at most; a file system without fractions of
 *  seconds has ticks of up to 2 s. */
const fineTickMs = 50
const coarseTickMs = 2000

/** Whether a file with this mtime, looked at no earlier than `lookedAt`, may change without showing it. */
export function isRacy(mtimeMs: number, lookedAt: number): boolean {
  return mtimeMs + (Number.isInteger(mtimeMs / 1000) ? coarseTickMs : fineTickMs) > lookedAt
}

const emptyCache: StatCache = {
  count: 0,
  cursor: () => () => undefined,
  slices: function* () {},
}

/** Where the cache of a tree lies. `key` tells trees of one root apart. */
export function statCachePath(directory: string, key: string): string {
  return join(directory, 'stat', digestOf(key).slice(0, 32))
}

export function readStatCache(path: string): StatCache {
  let bytes: Buffer
  try {
    bytes = readFileSync(path)
  } catch {
    // Absent or unreadable: the files are read instead.
    return emptyCache
  }
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
  return {
    count,
    cursor: () => createCursor(bytes, count),
    slices: (size) => slicesOf(bytes, count, size),
  }
}

function* slicesOf(bytes: Buffer, count: number, size: number): Generator<CacheSlice> {
  const { stats, digestsAt } = partsOf(bytes, count)
  let at = digestsAt + count * digestBytes
  for (let first = 0; first < count; first += size) {
    const last = Math.min(first + size, count)
    const from = at
    for (let index = first; index < last; index++) at = bytes.indexOf(0x0a, at) + 1
    const paths = new Uint8Array(bytes.subarray(from, at))
    yield { first, paths, stats: stats.slice(first * statColumns, last * statColumns) }
  }
}

function partsOf(bytes: Buffer, count: number): { stats: Float64Array; digestsAt: number } {
  const digestsAt = headBytes + count * statColumns * 8
  return { stats: numbersOf(bytes.subarray(headBytes, digestsAt)), digestsAt }
}

function createCursor(bytes: Buffer, count: number): (path: string) => CachedFile | undefined {
  const { stats, digestsAt } = partsOf(bytes, count)
  let at = digestsAt + count * digestBytes
  let index = -1
  let current = ''
  const advance = (): void => {
    index += 1
    if (index >= count) return
    const end = bytes.indexOf(0x0a, at)
    current = bytes.toString('utf8', at, end)
    at = end + 1
  }
  advance()
  return (path) => {
    while (index < count && comparePaths(current, path) < 0) advance()
    if (index >= count || current !== path) return undefined
    return {
      index,
      stats: stats.subarray(index * statColumns, (index + 1) * statColumns),
      digest: bytes.subarray(
        digestsAt + index * digestBytes,
        digestsAt + (index + 1) * digestBytes,
      ),
    }
  }
}

/** Doubles in place where they are aligned, else copied. */
function numbersOf({ buffer, byteOffset, length }: Buffer): Float64Array {
  if (byteOffset % 8 === 0) return new Float64Array(buffer, byteOffset, length / 8)
  return new Float64Array(buffer.slice(byteOffset, byteOffset + length))
}

/** What is known of some files, one after the other, as threads take it: stats are NaN for those that are not known. Null
 *  when none is. */
export function knownColumns(
  files: readonly (CachedFile | undefined)[],
): { stats: Float64Array; digests: Uint8Array } | null {
  const stats = new Float64Array(files.length * statColumns).fill(Number.NaN)
  const digests = new Uint8Array(files.length * digestBytes)
  let isAny = false
  for (const [index, known] of files.entries()) {
    if (known === undefined) continue
    isAny = true
    stats.set(known.stats, index * statColumns)
    digests.set(known.digest, index * digestBytes)
  }
  return isAny ? { stats, digests } : null
}

export function createStatCacheWriter(path: string, countMax: number): StatCacheWriter {
  let stats = new Float64Array(countMax * statColumns)
  let digests = Buffer.allocUnsafe(countMax * digestBytes)
  let paths: Buffer[] = []
  let pending: string[] = []
  let count = 0
  const flush = (): void => {
    if (pending.length === 0) return
    paths.push(Buffer.from(`${pending.join('\n')}\n`))
    pending = []
  }
  return {
    add: (entryPath, own, digest) => {
      stats.set(own, count * statColumns)
      digests.set(digest, count * digestBytes)
      count += 1
      pending.push(entryPath)
      if (pending.length >= 4096) flush()
    },
    save: () => {
      flush()
      const body = [
        Buffer.from(stats.buffer, 0, count * statColumns * 8),
        digests.subarray(0, count * digestBytes),
        ...paths,
      ]
      const head = Buffer.concat([magic, Buffer.alloc(16)])
      const pathBytes = paths.reduce((sum, each) => sum + each.length, 0)
      head.writeUInt32LE(count, magic.length)
      head.writeUInt32LE(pathBytes, magic.length + 4)
      head.writeUInt32LE(
        body.reduce((check, each) => crc32(each, check), 0),
        magic.length + 8,
      )
      replaceFile(path, [head, ...body])
      stats = new Float64Array()
      digests = Buffer.alloc(0)
      paths = []
    },
  }
}

function replaceFile(path: string, pieces: Buffer[]): void {
  const directory = join(path, '..')
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const temporary = `${path}.${randomBytes(6).toString('hex')}`
  try {
    const descriptor = openSync(temporary, 'wx', 0o600)
    try {
      for (const piece of pieces) writeFileSync(descriptor, piece)
    } finally {
      closeSync(descriptor)
    }
    renameSync(temporary, path)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
  dropOldest(directory)
}

function dropOldest(directory: string): void {
  const names = readdirSync(directory)
  if (names.length <= filesMax) return
  const aged = names.map((name) => {
    const file = join(directory, name)
    return { file, usedAt: statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0 }
  })
  aged.sort((a, b) => a.usedAt - b.usedAt)
  for (const { file } of aged.slice(0, aged.length - filesMax)) rmSync(file, { force: true })
}
