/** Reads manifests in path order from any path on, one stored page at a time. */
import { comparePaths } from '../core/manifest/entry.ts'
import { boundedPages } from '../core/manifest/heavy-pages.ts'
import { limits } from '../core/limits.ts'
import { nextTurn } from '../core/turn.ts'
import type {
  Artifact,
  EntryPage,
  Metadata,
  StoredEntry,
  StoredFile,
} from '../metadata/metadata.ts'
import { noSuchPath } from './no-such-path.ts'

/** The methods of the metadata port that reading entries needs. */
export type EntryReader = Pick<Metadata, 'readEntryPage' | 'findEntryPage' | 'findEntry'>

export interface ListedEntry {
  /** Position in the manifest, from 0. */
  ordinal: number
  entry: StoredEntry
  /** Seconds since the epoch; null where the upload carried none. */
  modifiedAt: number | null
}

/** A forward-only position in a manifest. Holds one page. */
export interface EntryCursor {
  /** Returns the first entry at or after `path`, but never one before the last returned;
   *  undefined past the end. */
  seek(path: string): Promise<ListedEntry | undefined>
}

export function createEntryCursor(reader: EntryReader, artifactId: number): EntryCursor {
  let pageNumber = -1
  let page: EntryPage | undefined
  let index = 0

  async function load(number: number): Promise<void> {
    pageNumber = number
    page = await reader.readEntryPage(artifactId, number)
    index = 0
  }

  return {
    async seek(path) {
      const last = page?.entries.at(-1)?.path
      if (last === undefined || comparePaths(last, path) < 0) {
        const number = await reader.findEntryPage(artifactId, path)
        if (number === undefined) {
          page = undefined
          return undefined
        }
        if (number !== pageNumber) await load(number)
      }
      while (page !== undefined) {
        const found = listed(page, index)
        if (found !== undefined && comparePaths(found.entry.path, path) >= 0) return found
        index++
        if (index >= page.entries.length) await load(pageNumber + 1)
      }
      return undefined
    },
  }
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
  const { itself, first } = await findSubtree(reader, artifactId, directory)
  if (itself !== undefined) yield itself
  if (first === undefined) return
  for await (const found of walkEntries(reader, artifactId, first.ordinal)) {
    if (!found.entry.path.startsWith(`${directory}/`)) return
    yield found
  }
}

/** The entry at `directory`, and the first one that may be below it. */
async function findSubtree(
  reader: EntryReader,
  artifactId: number,
  directory: string,
): Promise<{ itself: ListedEntry | undefined; first: ListedEntry | undefined }> {
  const cursor = createEntryCursor(reader, artifactId)
  const found = await cursor.seek(directory)
  const itself = found?.entry.path === directory ? found : undefined
  return { itself, first: await cursor.seek(`${directory}/`) }
}

/** Number of entries that `walkSubtree` yields. Reads at most three pages. */
export async function countSubtree(
  reader: EntryReader,
  { id, entryCount }: Pick<Artifact, 'id' | 'entryCount'>,
  directory: string,
): Promise<number> {
  if (directory === '') return entryCount
  const cursor = createEntryCursor(reader, id)
  const itself = (await cursor.seek(directory))?.entry.path === directory ? 1 : 0
  const first = await cursor.seek(`${directory}/`)
  // The character after the slash: no path between the two lies elsewhere.
  const end = await cursor.seek(`${directory}0`)
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
