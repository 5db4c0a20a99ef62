/** What an upload knew of its files the last time (tree-cache.ts), so that files which did not change are not read again.
 *  Its origin is the digest of the tree. A file whose mtime is as young as the look at it could have changed again without
 *  a new mtime, so its look is not recorded (git calls such timestamps racy). */
import { type Digest, digestFromBytes, digestToBytes } from '../core/digest.ts'
import {
  beginTreeCache,
  type CachedTree,
  readTreeCache,
  type TreeCache,
  treeCacheMagic,
} from './tree-cache.ts'

export const digestBytes = 32

/** Timestamps of Linux file systems come from a clock that ticks every 10 ms at most; a file system without fractions of
 *  seconds has ticks of up to 2 s. */
const fineTickMs = 50
const coarseTickMs = 2000

/** Whether a file with this mtime, looked at no earlier than `lookedAt`, may change without showing it. */
export function isRacy(mtimeMs: number, lookedAt: number): boolean {
  return mtimeMs + (Number.isInteger(mtimeMs / 1000) ? coarseTickMs : fineTickMs) > lookedAt
}

export interface StatCache extends TreeCache {
  readonly treeDigest: Digest
}

const magic = treeCacheMagic('stat', 2)

/** `path` null: nothing is remembered. */
export async function readStatCache(path: string | null): Promise<StatCache | null> {
  const cache = await readTreeCache(path, magic)
  if (cache === null || cache.origin.length !== digestBytes) return null
  return { ...cache, treeDigest: digestFromBytes(cache.origin) }
}

/** Puts a tree in place of what was remembered. Never fails: without it the next upload reads the files. */
export async function rememberSource(
  path: string,
  tree: Omit<CachedTree, 'origin'> & { treeDigest: Digest },
  stats: Float64Array,
): Promise<void> {
  const origin = digestToBytes(tree.treeDigest)
  await beginTreeCache(path, magic, { ...tree, origin }).save(stats)
}
