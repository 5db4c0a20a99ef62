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
    for (let index = first; index < page.entries.length; index++) yield listed(page, index)!
  }
}

/** What is at a path and below it, at any depth. */
export interface Subtree {
  /** The entry at exactly the path. */
  itself: ListedEntry | undefined
  /** The entries below it have the ordinals from `first` up to, not including, `end`. */
  first: number
  end: number
}

/** `directory` is '' for the root. Reads at most three pages. Errors: not_found, when there is
 *  nothing. */
export async function findSubtree(
  reader: EntryReader,
  artifact: Pick<Artifact, 'id' | 'entryCount'> & { name: string },
  directory: string,
): Promise<Subtree> {
  const { id, entryCount } = artifact
  if (directory === '') return { itself: undefined, first: 0, end: entryCount }
  const below = `${directory}/`
  const found = await firstFrom(reader, id, directory)
  const itself = found?.entry.path === directory ? found : undefined
  const inside = found?.entry.path.startsWith(below) ? found : await firstFrom(reader, id, below)
  const next = await firstFrom(reader, id, `${directory}${afterSlash}`)
  const subtree = {
    itself,
    first: inside?.ordinal ?? entryCount,
    end: next?.ordinal ?? entryCount,
  }
  if (countSubtree(subtree) === 0) throw noSuchPath(artifact, directory)
  return subtree
}

export function countSubtree({ itself, first, end }: Subtree): number {
  return (itself === undefined ? 0 : 1) + end - first
}

/** Yields the entries in order. */
export async function* walkSubtree(
  reader: EntryReader,
  artifactId: number,
  { itself, first, end }: Subtree,
): AsyncGenerator<ListedEntry, void, undefined> {
  if (itself !== undefined) yield itself
  if (first === end) return
  for await (const found of walkEntries(reader, artifactId, first)) {
    if (found.ordinal >= end) return
    yield found
  }
}

function listed(page: EntryPage, index: number): ListedEntry | undefined {
  const entry = page.entries[index]
  if (entry === undefined) return undefined
  return { ordinal: page.firstOrdinal + index, entry, modifiedAt: page.modifiedAt[index] ?? null }
}

/** Returns the file at `path`. Errors: not_found. */
export async function readFileEntry(
  reader: Pick<EntryReader, 'findEntry'>,
  artifact: { id: number; name: string },
  path: string,
): Promise<StoredFile> {
  const found = await reader.findEntry(artifact.id, path)
  if (found === undefined) throw noSuchPath(artifact, path)
  if (found.entry.kind !== 'file') throw noSuchFile(artifact, path, found.entry)
  return found.entry
}

function noSuchFile(artifact: { name: string }, path: string, instead: StoredEntry): Error {
  const message = `artifact ${artifact.name} has no file ${JSON.stringify(path)}`
  const linked = instead.kind === 'symlink' ? `: it is a symlink to ${instead.target}` : ''
  return notFound(path, message + linked)
}

/** The error for a path that an artifact does not have. */
export function noSuchPath(artifact: { name: string }, path: string): Error {
  return notFound(path, `artifact ${artifact.name} has no ${JSON.stringify(path)}`)
}
