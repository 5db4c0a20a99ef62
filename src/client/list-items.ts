/** Lists that the server returns in pages. */
import { limits } from '../core/limits.ts'
import { formatCount } from '../core/units.ts'
import { type ApiRequest, requestJson, type ServerAccess } from './transport/http.ts'
import { unreadableAnswer } from './transport/foreign-answer.ts'

/** Upper bound on what `withinBound` lets pass: some hundred megabytes. A run has at most 10,000
 *  live artifacts. */
const heldItemsMax = 100_000

type ListRequest = Pick<ApiRequest, 'path' | 'query' | 'signal'>

interface Page<Item> {
  items: Item[]
  nextCursor: string | null
}

/** Requests the page of a list that begins at `cursor`. Errors: those of `requestJson`;
 *  AnswerError, when it has more than `limit` items or leads to itself. */
async function readListPage<List extends Page<unknown>>(
  server: ServerAccess,
  { query, ...request }: ListRequest,
  { limit, cursor }: { limit: number; cursor: string | null },
): Promise<List> {
  const asked = { ...request, query: { ...query, limit, cursor } }
  const page = await requestJson<List>(server, asked, ['items', 'nextCursor'])
  if (page.items.length > limit)
    throw unreadableAnswer(server, `${page.items.length} items instead of at most ${limit}`)
  if (page.nextCursor !== null && page.nextCursor === cursor)
    throw unreadableAnswer(server, 'a page that is followed by itself')
  return page
}

/** Returns the first `count` items of a list, and how many it has. Errors: those of
 *  `readListPage`. */
export async function readItems<Item>(
  server: ServerAccess,
  request: ListRequest,
  count: number,
): Promise<{ items: Item[]; total: number }> {
  const items: Item[] = []
  let total = 0
  let cursor: string | null = null
  do {
    const limit = Math.min(limits.listPageMax, count - items.length)
    const page: Page<Item> & { total: number } = await readListPage(server, request, {
      limit,
      cursor,
    })
    items.push(...page.items)
    total = page.total
    cursor = page.nextCursor
  } while (cursor !== null && items.length < count)
  return { items, total }
}

/** Yields the items of a paged list, fetching pages as needed, of at most `pageMax` items. Errors:
 *  those of `readListPage`. */
export async function* listItems<Item>(
  server: ServerAccess,
  request: ListRequest,
  pageMax: number = limits.listPageMax,
): AsyncGenerator<Item, void, undefined> {
  let cursor: string | null = null
  const limit = Math.min(pageMax, limits.listPageMax)
  do {
    const page: Page<Item> = await readListPage(server, request, { limit, cursor })
    yield* page.items
    cursor = page.nextCursor
  } while (cursor !== null)
}

/** Passes on the items of a list that its reader holds as a whole. Errors: those of the list;
 *  AnswerError, when there are more than `heldItemsMax`. */
export async function* withinBound<Item>(
  server: ServerAccess,
  all: AsyncIterable<Item>,
): AsyncGenerator<Item, void, undefined> {
  let count = 0
  for await (const item of all) {
    if (++count > heldItemsMax)
      throw unreadableAnswer(server, `a list of more than ${formatCount(heldItemsMax)} items`)
    yield item
  }
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
