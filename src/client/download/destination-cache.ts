/** What was known of a download's directory when it was left: the tree that it was brought to, and of each file the look of
 *  its inode (tree-cache.ts), so that the next download is sent only what is different, and need not read files that did not
 *  change. Its origin is the artifact's id, a double, and the URL of the server. */
import {
  beginTreeCache,
  bytesOf,
  readTreeCache,
  type TreeCache,
  treeCacheMagic,
  type TreeCacheWriter,
} from '../cache/tree-cache.ts'
import type { FetchedTree } from './tree-columns.ts'

/** A tree, as the artifact of a server. */
export interface TreeOrigin {
  artifactId: number
  url: string
}

export interface DestinationCache extends TreeOrigin, TreeCache {}

const magic = treeCacheMagic('destination', 2)
const idBytes = 8

/** `path` null: nothing is remembered. */
export async function readDestinationCache(path: string | null): Promise<DestinationCache | null> {
  const cache = await readTreeCache(path, magic)
  if (cache === null || cache.origin.length < idBytes) return null
  const { origin } = cache
  return { ...cache, artifactId: origin.readDoubleLE(), url: origin.toString('utf8', idBytes) }
}

/** Begins to write the text, which is known before the files are there. `path` null: nothing is remembered. `previous`: what
 *  is there, which stays when it says the same. */
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
      if (mayStay && bytesOf(stats).equals(bytesOf(previous.stats))) return
      begun ??= begin()
      await begun.save(stats)
    },
    abandon: async () => {
      await begun?.abandon()
    },
  }
}
