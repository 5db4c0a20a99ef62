/** The files and directories of an artifact as WebDAV shows them. WebDAV has no symlinks and no
 *  modes: a symlink to a file of the artifact is shown as that file, any other is left out. */
import { noSuchPath } from '../../browse/entries.ts'
import { followLink } from '../../browse/links.ts'
import { type Entry, baseName } from '../../core/manifest/entry.ts'
import { limits } from '../../core/limits.ts'
import type { Artifact, Metadata } from '../../metadata/metadata.ts'
import { folderItem, folderOf, type Item, type Place } from './place.ts'

type Reader = Pick<Metadata, 'findEntry' | 'listDirectory'>

export function artifactItem({ name, createdAt }: Artifact): Item {
  return folderItem(name, createdAt)
}

/** Errors: not_found, artifact_expired, artifact_deleted. */
export async function findInside(
  reader: Reader,
  artifact: Artifact,
  segments: readonly string[],
): Promise<Place> {
  const path = segments.join('/')
  if (path === '') return folderAt(reader, artifact, path, artifactItem(artifact))
  const found = await reader.findEntry(artifact.id, path)
  const shown = found && (await shownAs(reader, artifact, found))
  if (shown?.entry.kind === 'file') {
    const { entry } = shown
    return { kind: 'file', item: itemOf(artifact, path, shown), artifact, path: entry.path }
  }
  if (shown !== undefined) return folderAt(reader, artifact, path, itemOf(artifact, path, shown))
  // Most directories are no entries, but implied by the paths below them.
  const place = { directory: path, limit: 1, from: null }
  const isImplied =
    found === undefined && (await reader.listDirectory(artifact.id, place)) !== undefined
  if (!isImplied) throw noSuchPath(artifact, path)
  return folderAt(reader, artifact, path, folderItem(baseName(path), artifact.createdAt))
}

function folderAt(reader: Reader, artifact: Artifact, directory: string, item: Item): Place {
  return folderOf(item, listItems(reader, artifact, directory))
}

/** In path order. */
async function* listItems(
  reader: Reader,
  artifact: Artifact,
  directory: string,
): AsyncGenerator<Item, void, undefined> {
  let from: string | null = null
  do {
    const page: ItemPage = await readItems(reader, artifact, { directory, from })
    yield* page.items
    from = page.next
  } while (from !== null)
}

interface ItemPage {
  items: Item[]
  next: string | null
}

/** What slow readers hold, one page each: that of a deep directory is shorter, and without the
 *  targets of links. */
async function readItems(
  reader: Reader,
  artifact: Artifact,
  { directory, from }: { directory: string; from: string | null },
): Promise<ItemPage> {
  const pathCharactersMax = directory.length + 1 + limits.segmentBytesMax
  const fitting = Math.floor(limits.heavyPageCharacters / pathCharactersMax)
  const limit = Math.min(fitting, limits.manifestPageEntries)
  const listing = await reader.listDirectory(artifact.id, { directory, limit, from })
  if (listing === undefined) throw noSuchPath(artifact, directory)
  const items: Item[] = []
  for (const found of listing.children) {
    const shown = await shownAs(reader, artifact, found)
    if (shown !== undefined) items.push(itemOf(artifact, found.entry.path, shown))
  }
  return { items, next: listing.next }
}

interface Found {
  entry: Entry
  /** Seconds since the epoch. */
  modifiedAt: number | null
}

type Shown = { entry: Exclude<Entry, { kind: 'symlink' }> } & Found

async function shownAs(
  reader: Reader,
  { id }: Artifact,
  { entry, modifiedAt }: Found,
): Promise<Shown | undefined> {
  if (entry.kind !== 'symlink') return { entry, modifiedAt }
  return await followLink(reader, id, entry)
}

/** An entry without a time has that of its upload. */
function itemOf({ createdAt }: Artifact, path: string, { entry, modifiedAt }: Shown): Item {
  return {
    name: baseName(path),
    createdAt,
    modifiedAt: modifiedAt === null ? createdAt : modifiedAt * 1000,
    content: entry.kind === 'file' ? { sizeBytes: entry.sizeBytes, digest: entry.digest } : null,
  }
}
