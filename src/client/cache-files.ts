/** Files of the client's cache: one for each tree and purpose, replaced as a whole, of which the oldest go. */
import { randomBytes } from 'node:crypto'
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { digestOf } from '../core/digest.ts'

/** Files that are kept of each purpose; the longest unused go first. */
const filesMax = 64

/** Files as they were looked at (stat-cache.ts); the tree that a directory was brought to (tree-cache.ts). */
export type CachePurpose = 'stat' | 'tree'

/** Where what is remembered of a tree lies. `key` tells trees apart. */
export function cacheFilePath(directory: string, purpose: CachePurpose, key: string): string {
  return join(directory, purpose, digestOf(key).slice(0, 32))
}

/** Undefined when nothing is remembered (`path` null), or cannot be read: whoever asks does without. */
export function readCacheFile(path: string | null): Buffer | undefined {
  if (path === null) return undefined
  try {
    return readFileSync(path)
  } catch {
    return undefined
  }
}

/** Puts `pieces` in place of what was there. Whoever looks in between finds nothing. */
export function replaceCacheFile(path: string, pieces: readonly Uint8Array[]): void {
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
    // Taking the place of a file, it would be written out first by some file systems: 30 ms for a large tree.
    rmSync(path, { force: true })
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
