/** Searches the entries of a tree by path. Only matches are described and leave this thread. */
import { limits } from '../../../core/limits.ts'
import { compilePathGlobs } from '../../../core/glob/path-glob.ts'
import type { Place } from '../../../core/manifest/list-children.ts'
import type { PageEntry } from '../../manifest-page.ts'
import type { SearchedStretch, TreeMetadata } from '../../trees.ts'
import type { Connection } from '../connection/connection.ts'
import { createFoundDescribing } from './describing.ts'
import { createPages, createSourceFinder, removedError } from './manifest-source.ts'

/** How long one call examines paths. */
const searchMsMax = 2

export function createSearch(
  connection: Connection,
): (...asked: Parameters<TreeMetadata['searchTree']>) => SearchedStretch {
  const findSource = createSourceFinder(connection)
  const pages = createPages(connection)
  const describe = createFoundDescribing(connection)
  const size = limits.manifestPageEntries
  return (artifactId, globs, { ordinal, limit }) => {
    const source = findSource(artifactId)
    if (source.removedAt !== null) throw removedError(source)
    const isMatch = compilePathGlobs(globs)
    const until = performance.now() + searchMsMax
    const matches: Place<PageEntry>[] = []
    let at = ordinal
    let entries: PageEntry[] | undefined
    while (at < source.entryCount) {
      const [page, index] = [Math.floor(at / size), at % size]
      if (entries === undefined || index === 0) entries = pages.read(source, page)
      const entry = entries[index]!
      if (isMatch(entry.path)) matches.push({ page, index, entry })
      at += 1
      if (matches.length === limit || performance.now() >= until) break
    }
    const next = at < source.entryCount ? at : null
    return { found: describe(source, matches), next }
  }
}
