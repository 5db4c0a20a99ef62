/** What an upload knew of its files the last time (tree-cache.ts), so that files which did not change are not read again.
 *  Its origin is the digest of the tree. */
import { type Digest, digestBytes, digestFromBytes, digestToBytes } from '../../core/digest.ts'
import {
  beginTreeCache,
  type CachedTree,
  readTreeCache,
  type TreeCache,
  treeCacheMagic,
} from '../cache/tree-cache.ts'

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

/** Puts a tree in place of what was remembered, once `committing` resolves; not when that rejects. Never fails: without it the
 *  next upload reads the files. */
export async function rememberSource(
  path: string,
  tree: Omit<CachedTree, 'origin'> & { treeDigest: Digest },
  stats: Float64Array,
  committing?: Promise<unknown>,
): Promise<void> {
  const origin = digestToBytes(tree.treeDigest)
  await beginTreeCache(path, magic, { ...tree, origin }).save(stats, committing)
}
