/** Lists that the server returns in pages. */
import { limits } from '../core/limits.ts'
import { requestJson, type ServerAccess } from './transport/http.ts'

/** Yields the items of a paged list, fetching pages as needed. Errors: those of `requestJson`. */
export async function* listItems<Item>(
  server: ServerAccess,
  path: string,
  filter: Record<string, string | number | null | undefined>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Item, void, undefined> {
  let cursor: string | null = null
  do {
    const query = { ...filter, limit: limits.listPageMax, cursor }
    const page: { items: Item[]; nextCursor: string | null } = await requestJson(
      server,
      { path, query, signal },
      ['items', 'nextCursor'],
    )
    yield* page.items
    cursor = page.nextCursor
  } while (cursor !== null)
}
