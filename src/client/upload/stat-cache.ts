/** The tree cache (tree-cache.ts) of an upload, which saves reading unchanged files again. Its
 *  origin is the digest of the tree. */
import {
  type Digest,
  digestBytes,
  digestFromBytes,
  digestToBytes,
} from '../../core/bytes/digest.ts'
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

const magic = treeCacheMagic('stat', 3)

/** `path` null: there is no cache. */
export async function readStatCache(path: string | null): Promise<StatCache | null> {
  const cache = await readTreeCache(path, magic)
  if (cache === null || cache.origin.length !== digestBytes) return null
  return { ...cache, treeDigest: digestFromBytes(cache.origin) }
}

/** Replaces the cached tree, after `committing` resolves; not if it rejects. Never fails:
 *  without a cache the next upload reads all files. */
export async function rememberSource(
  path: string,
  tree: Omit<CachedTree, 'origin'> & { treeDigest: Digest },
  stats: Float64Array,
  committing?: Promise<unknown>,
): Promise<void> {
  const origin = digestToBytes(tree.treeDigest)
  await beginTreeCache(path, magic, { ...tree, origin }).save(stats, committing)
}
