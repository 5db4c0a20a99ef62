/** Files of the client's cache: one for each tree and purpose, replaced as a whole, of which the oldest go. */
import { randomBytes } from 'node:crypto'
import { readdirSync, rmSync, statSync } from 'node:fs'
import { type FileHandle, open, readdir, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { digestOf } from '../../core/digest.ts'
import { makeDirectories } from '../../make-directories.ts'
import { rename } from '../files/system.ts'

/** Files that are kept of each purpose; the longest unused go first. */
const filesMax = 64

/** Files of an upload as they were looked at (upload/stat-cache.ts); a download's directory as it was left
 *  (download/destination-cache.ts). */
export type CachePurpose = 'stat' | 'destination'

/** Where what is remembered of a tree lies. `key` tells trees apart. */
export function cacheFilePath(directory: string, purpose: CachePurpose, key: string): string {
  return join(directory, purpose, digestOf(key).slice(0, 32))
}

/** Undefined when nothing is remembered (`path` null), or cannot be read: whoever asks does without. Read in one piece: a
 *  look at the answer of a server need not wait for it; into shared memory, so that threads can use it. */
export async function readCacheFile(path: string | null): Promise<Buffer | undefined> {
  if (path === null) return undefined
  let file: FileHandle | undefined
  try {
    file = await open(path)
    const { size } = await file.stat()
    const bytes = Buffer.from(new SharedArrayBuffer(size))
    const { bytesRead } = await file.read(bytes, 0, size, 0)
    return bytesRead === size ? bytes : undefined
  } catch {
    return undefined
  } finally {
    await file?.close()
  }
}

/** A file that takes the place of the one that was there as a whole, once it is finished. */
export interface CacheFile {
  write(bytes: Uint8Array, at: number): Promise<void>
  /** Whoever looks in between finds nothing. */
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
      // Taking the place of a file, it would be written out first by some file systems: 30 ms for a large tree.
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

/** What a process that was killed has left. One that is still at work then does without. */
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
