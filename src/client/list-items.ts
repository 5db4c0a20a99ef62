/** Lists that the server returns in pages. */
import { limits } from '../core/limits.ts'
import { requestJson, type ServerAccess } from './transport/http.ts'

/** Yields the items of a paged list, fetching pages as needed, of at most `pageMax` items. Errors:
 *  those of `requestJson`. */
export async function* listItems<Item>(
  server: ServerAccess,
  path: string,
  filter: Record<string, string | number | null | undefined>,
  signal: AbortSignal | undefined,
  pageMax: number = limits.listPageMax,
): AsyncGenerator<Item, void, undefined> {
  let cursor: string | null = null
  do {
    const query = { ...filter, limit: Math.min(pageMax, limits.listPageMax), cursor }
    const page: { items: Item[]; nextCursor: string | null } = await requestJson(
      server,
      { path, query, signal },
      ['items', 'nextCursor'],
    )
    yield* page.items
    cursor = page.nextCursor
  } while (cursor !== null)
}

/** Takes the first items of a list, and tells whether there are more. */
export async function takeFirst<Item>(
  all: AsyncIterable<Item>,
  count: number,
): Promise<{ items: Item[]; isCut: boolean }> {
  const items: Item[] = []
  for await (const item of all) {
    if (items.length === count) return { items, isCut: true }
    items.push(item)
  }
  return { items, isCut: false }
}
