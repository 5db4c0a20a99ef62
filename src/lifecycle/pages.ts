/** Reads long lists of the metadata to their ends, page by page. */
import type { Metadata, PackedCopy } from '../metadata/metadata.ts'

/** Yields pages. `read` returns at most `limit` items after a place: the beginning, or the last
 *  item of the page before. A page that is not full is the last. */
async function* pagesFrom<Place, Item extends Place>(
  beginning: Place,
  limit: number,
  read: (after: Place, limit: number) => Promise<Item[]>,
): AsyncGenerator<Item[], void, undefined> {
  for (let after = beginning; ;) {
    const page = await read(after, limit)
    yield page
    if (page.length < limit) return
    after = page.at(-1)!
  }
}

const packsPerPage = 100

/** Yields packs one by one, which `read` returns as for `pagesFrom`. */
export async function* packsFrom<Place, Pack extends Place>(
  beginning: Place,
  read: (after: Place, limit: number) => Promise<Pack[]>,
): AsyncGenerator<Pack, void, undefined> {
  for await (const page of pagesFrom(beginning, packsPerPage, read)) yield* page
}

/** Yields the live copies of a pack in byte order, in pages that verifying or moving them takes. */
export function copyPages(
  metadata: Pick<Metadata, 'readPackCopies'>,
  packId: number,
): AsyncGenerator<PackedCopy[], void, undefined> {
  return pagesFrom<PackedCopy | null, PackedCopy>(null, 1000, (after, limit) =>
    metadata.readPackCopies(packId, { after, limit }),
  )
}
