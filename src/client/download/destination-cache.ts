/** The tree cache (tree-cache.ts) of a download's directory: the tree that it was brought to,
 *  and the stats of its files. The next download fetches only changes and need not read
 *  unchanged files. Its origin is the artifact's id, as a double, and the URL of the server. */
import { asBuffer } from '../../core/bytes/as-buffer.ts'
import {
  beginTreeCache,
  readTreeCache,
  type TreeCache,
  treeCacheMagic,
  type TreeCacheWriter,
} from '../cache/tree-cache.ts'
import type { FetchedTree } from './tree-columns.ts'

/** The artifact that a tree comes from, and its server. */
export interface TreeOrigin {
  artifactId: number
  url: string
}

export interface DestinationCache extends TreeOrigin, TreeCache {}

const magic = treeCacheMagic('destination', 3)
const idBytes = 8

/** `path` null: there is no cache. */
export async function readDestinationCache(path: string | null): Promise<DestinationCache | null> {
  const cache = await readTreeCache(path, magic)
  if (cache === null || cache.origin.length < idBytes) return null
  const { origin } = cache
  return { ...cache, artifactId: origin.readDoubleLE(), url: origin.toString('utf8', idBytes) }
}

/** Starts to write the text, which is known before the files are in place. `path` null: nothing
 *  is cached. `previous` is the existing cache, which is kept if it is identical. */
export function rememberDestination(
  path: string | null,
  { artifactId, url }: TreeOrigin,
  { count, text, lineStarts }: Pick<FetchedTree, 'count' | 'text' | 'lineStarts'>,
  previous: DestinationCache | null,
): TreeCacheWriter {
  if (path === null) return { save: () => Promise.resolve(), abandon: () => Promise.resolve() }
  const id = Buffer.alloc(idBytes)
  id.writeDoubleLE(artifactId)
  const origin = Buffer.concat([id, Buffer.from(url)])
  const begin = (): TreeCacheWriter =>
    beginTreeCache(path, magic, { count, origin, text, lineStarts })
  const mayStay = previous?.artifactId === artifactId && previous.url === url
  let begun = mayStay ? undefined : begin()
  return {
    save: async (stats) => {
      if (mayStay && asBuffer(stats).equals(asBuffer(previous.stats))) return
      begun ??= begin()
      await begun.save(stats)
    },
    abandon: async () => {
      await begun?.abandon()
    },
  }
}
