/** What WebDAV shows at an address. */
import type { Digest } from '../../core/bytes/digest.ts'
import type { Artifact } from '../../metadata/metadata.ts'

/** What a listing tells of a folder or file. Instants are null where unknown. */
export interface Item {
  /** The last segment of the address. */
  name: string
  createdAt: number | null
  modifiedAt: number | null
  /** Null for a folder. */
  content: { sizeBytes: number; digest: Digest } | null
}

export type Items = AsyncIterable<Item> | Iterable<Item>

export type Place =
  /** `children`: to be iterated at most once, and read only then. */
  | { kind: 'folder'; item: Item; children: Items }
  /** `path`: of the content, which differs from the address for a symlink. */
  | { kind: 'file'; item: Item; artifact: Artifact; path: string }

export function folderOf(item: Item, children: Items): Place {
  return { kind: 'folder', item, children }
}

export function folderItem(name: string, createdAt: number | null = null): Item {
  return { name, createdAt, modifiedAt: createdAt, content: null }
}
