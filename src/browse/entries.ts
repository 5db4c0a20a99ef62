/** Reads manifests in path order from any path on, one stored page at a time. */
import { notFound } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import { comparePaths } from '../core/manifest/entry.ts'
import { boundedPages } from '../core/manifest/heavy-pages.ts'
import { afterSlash } from '../core/manifest/list-children.ts'
import { nextTurn } from '../core/turn.ts'
import type {
  Artifact,
  EntryPage,
  Metadata,
  StoredEntry,
  StoredFile,
} from '../metadata/metadata.ts'

/** The methods of the metadata port that reading entries needs. */
export type EntryReader = Pick<Metadata, 'readEntryPage' | 'findEntryPage' | 'findEntry'>

export interface ListedEntry {
  /** Position in the manifest, from 0. */
  ordinal: number
  entry: StoredEntry
  /** Seconds since the epoch; null where the upload carried none. */
  modifiedAt: number | null
}

/** The first entry at or after `path`; undefined past the end. */
async function firstFrom(
  reader: EntryReader,
  artifactId: number,
  path: string,
): Promise<ListedEntry | undefined> {
  const number = await reader.findEntryPage(artifactId, path)
  const page = number === undefined ? undefined : await reader.readEntryPage(artifactId, number)
  const index = page?.entries.findIndex((entry) => comparePaths(entry.path, path) >= 0) ?? -1
  return page && listed(page, index)
}

/** Yields the entries from `ordinal` on. Holds one page. */
export async function* walkEntries(
  reader: EntryReader,
  artifactId: number,
  ordinal = 0,
): AsyncGenerator<ListedEntry, void, undefined> {
  const size = limits.manifestPageEntries
  const read = (number: number): Promise<EntryPage | undefined> =>
    reader.readEntryPage(artifactId, number)
  for await (const page of boundedPages(read, Math.floor(ordinal / size))) {
    await nextTurn()
    const first = Math.max(0, ordinal - page.firstOrdinal)
    for (let index = first; index < page.entries.length; index++) {
      const found = listed(page, index)
      if (found !== undefined) yield found
    }
  }
}

/** Yields the entries below `directory` ('' is the root) at any depth, and the entry at exactly
 *  that path if there is one. */
export async function* walkSubtree(
  reader: EntryReader,
  artifactId: number,
  directory: string,
): AsyncGenerator<ListedEntry, void, undefined> {
  if (directory === '') {
    yield* walkEntries(reader, artifactId)
    return
  }
  const itself = await firstFrom(reader, artifactId, directory)
  if (itself?.entry.path === directory) yield itself
  const first = await firstFrom(reader, artifactId, `${directory}/`)
  if (first === undefined) return
  for await (const found of walkEntries(reader, artifactId, first.ordinal)) {
    if (!found.entry.path.startsWith(`${directory}/`)) return
    yield found
  }
}

/** Number of entries that `walkSubtree` yields. Reads at most three pages. */
export async function countSubtree(
  reader: EntryReader,
  { id, entryCount }: Pick<Artifact, 'id' | 'entryCount'>,
  directory: string,
): Promise<number> {
  if (directory === '') return entryCount
  const itself = (await firstFrom(reader, id, directory))?.entry.path === directory ? 1 : 0
  const first = await firstFrom(reader, id, `${directory}/`)
  const end = await firstFrom(reader, id, `${directory}${afterSlash}`)
  return itself + (end?.ordinal ?? entryCount) - (first?.ordinal ?? entryCount)
}

function listed(page: EntryPage, index: number): ListedEntry | undefined {
  const entry = page.entries[index]
  if (entry === undefined) return undefined
  return { ordinal: page.firstOrdinal + index, entry, modifiedAt: page.modifiedAt[index] ?? null }
}

/** Returns the file at `path`. Errors: not_found. */
export async function readFileEntry(
  reader: Pick<EntryReader, 'findEntry'>,
  artifact: Artifact,
  path: string,
): Promise<StoredFile> {
  const found = await reader.findEntry(artifact.id, path)
  if (found?.entry.kind !== 'file') throw noSuchPath(artifact, path)
  return found.entry
}

/** The error for a path that an artifact does not have. */
export function noSuchPath(artifact: { name: string }, path: string): Error {
  return notFound(path, `artifact ${artifact.name} has no ${JSON.stringify(path)}`)
}
