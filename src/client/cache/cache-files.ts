/** Files of the client's cache: one for each tree and purpose, always replaced as a whole. The
 *  least recently used are deleted. */
import { randomBytes } from 'node:crypto'
import { constants, readdirSync, rmSync, statSync } from 'node:fs'
import { access, type FileHandle, open, readdir, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { digestOf } from '../../core/bytes/digest.ts'
import { makeDirectories } from '../../make-directories.ts'
import { rename } from '../files/system.ts'

/** Upper bound on files of one purpose; the least recently used are deleted first. */
const filesMax = 64

/** `stat`: the files of an upload with their inode stats (upload/stat-cache.ts). `destination`:
 *  the state in which a download left its directory (download/destination-cache.ts). */
export type CachePurpose = 'stat' | 'destination'

/** Path of the cache file of a tree. `key` identifies the tree. */
export function cacheFilePath(directory: string, purpose: CachePurpose, key: string): string {
  return join(directory, purpose, digestOf(key).slice(0, 32))
}

/** Returns undefined when there is no cache (`path` null) or it cannot be read; callers then
 *  work without it. Reads asynchronously with one call, so that a server's response need not
 *  wait for it, and into shared memory, so that worker threads can use the bytes. */
export async function readCacheFile(path: string | null): Promise<Buffer | undefined> {
  if (path === null) return undefined
  let file: FileHandle | undefined
  try {
    // A pipe in its place must not be waited for.
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const stats = await file.stat()
    if (!stats.isFile()) return undefined
    const { size } = stats
    const bytes = Buffer.from(new SharedArrayBuffer(size))
    const { bytesRead } = await file.read(bytes, 0, size, 0)
    // A cache that stays as it is would otherwise be deleted before others that are used less. One
    // that is read-only still serves.
    const now = new Date()
    await file.utimes(now, now).catch(() => {})
    return bytesRead === size ? bytes : undefined
  } catch {
    return undefined
  } finally {
    await file?.close()
  }
}

/** A new file that replaces the previous one as a whole when it is finished. */
export interface CacheFile {
  write(bytes: Uint8Array, at: number): Promise<void>
  /** A reader between the removal of the old file and the rename finds no file. */
  finish(): Promise<void>
  abandon(): Promise<void>
}

export async function openCacheFile(path: string): Promise<CacheFile> {
  const directory = dirname(path)
  makeDirectories(directory, 0o700)
  await dropUnfinished(path)
  const temporary = `${path}.${randomBytes(6).toString('hex')}`
  const file = await open(temporary, 'wx', 0o600)
  return {
    write: async (bytes, at) => {
      for (let done = 0; done < bytes.length;)
        done += (await file.write(bytes, done, bytes.length - done, at + done)).bytesWritten
    },
    finish: async () => {
      await file.close()
      // Another process that replaces the file may have removed it.
      await access(temporary)
      // Some file systems flush a file that is renamed over another one: 30 ms for a large tree.
      await rm(path, { force: true })
      await rename(temporary, path)
      dropOldest(directory)
    },
    abandon: async () => {
      await file.close()
      await rm(temporary, { force: true })
    },
  }
}

/** Removes temporary files of killed processes. A process still writing one then fails to save
 *  its cache, which is harmless. */
async function dropUnfinished(path: string): Promise<void> {
  const start = `${basename(path)}.`
  for (const name of await readdir(dirname(path)))
    if (name.startsWith(start)) await rm(join(dirname(path), name), { force: true })
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
