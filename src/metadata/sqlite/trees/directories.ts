/** Directories of artifacts, read from the stored pages of their manifests. Pages are decoded
 *  here; only what is listed is described and leaves this thread. */
import pLimit from 'p-limit'
import {
  type DirectoryChild,
  listChildren,
  type ManifestPages,
} from '../../../core/manifest/list-children.ts'
import { defaultDirectoryMode } from '../../../core/manifest/entry.ts'
import type { PageEntry } from '../../manifest-page.ts'
import type { ComparedEntry, TreeMetadata } from '../../trees.ts'
import type { Connection } from '../connection/connection.ts'
import { createFoundDescribing } from './describing.ts'
import { createPages, createSourceFinder, type Source } from './manifest-source.ts'

/** Upper bound on interleaved listings. Each holds up to three pages, which with the longest
 *  paths and link targets have 4 MB each, in a thread whose heap is bounded. Other calls have
 *  their turn regardless. */
const listingsAtOnce = 2

export function createDirectoryListing(connection: Connection): TreeMetadata['listDirectory'] {
  const { read } = connection
  const findSource = createSourceFinder(connection)
  const openManifest = createManifestOpener(connection)
  const describe = createChildDescribing(connection)
  const list: TreeMetadata['listDirectory'] = async (artifactId, { directory, limit, from }) => {
    const source = findSource(artifactId)
    const manifest = openManifest(source)
    const { children, next } = await listChildren(manifest, { directory, limit, from })
    const isKnown = children.length > 0 || from !== null || directory === ''
    if (!isKnown && !(await isDirectory(manifest, directory))) return undefined
    return { children: read(() => describe(source, children)), next }
  }
  const whenFree = pLimit(listingsAtOnce)
  return async (artifactId, place) => await whenFree(() => list(artifactId, place))
}

/** A large directory of directories visits a page for each; the reader yields to other calls in
 *  between. */
function createManifestOpener(
  connection: Connection,
): (source: Source) => ManifestPages<PageEntry> {
  const { read, turn } = connection
  const pages = createPages(connection)
  return (source) => {
    /** The page being walked, and the page examined for an entry of a directory. */
    let recent: [page: number, entries: PageEntry[]][] = []
    return {
      findPage: async (path) => read(() => pages.findFrom(source, path)),
      readPage: async (page) => {
        const known = recent.find(([number]) => number === page)
        if (known !== undefined) return known[1]
        await turn()
        const entries = pages.read(source, page)
        recent = [...recent.slice(-1), [page, entries]]
        return entries
      },
    }
  }
}

async function isDirectory(manifest: ManifestPages<PageEntry>, path: string): Promise<boolean> {
  const page = await manifest.findPage(path)
  const entries = page === undefined ? undefined : await manifest.readPage(page)
  return entries?.find((entry) => entry.path === path)?.kind === 'directory'
}

/** Returns a function that puts children into wire form. */
function createChildDescribing(
  connection: Connection,
): (source: Source, children: DirectoryChild<PageEntry>[]) => ComparedEntry[] {
  const describe = createFoundDescribing(connection)
  return (source, children) => {
    const named = describe(
      source,
      children.flatMap(({ found }) => found ?? []),
    )
    let at = 0
    return children.map(({ path, found }) =>
      found === null
        ? { entry: { kind: 'directory', path, mode: defaultDirectoryMode }, modifiedAt: null }
        : named[at++]!,
    )
  }
}
