/** Paging of GitHub's REST API: `per_page` and `page` in the request, a `Link` header of
 *  absolute URLs in the response. */

export interface PageRequest {
  /** From 1. */
  page: number
  perPage: number
}

const perPageDefault = 30
const perPageMax = 100
const pageMax = 1_000_000

/** Replaces invalid values with defaults instead of rejecting them, as GitHub does. */
export function parsePageRequest(query: {
  page: string | undefined
  perPage: string | undefined
}): PageRequest {
  return {
    page: bounded(query.page, 1, pageMax),
    perPage: bounded(query.perPage, perPageDefault, perPageMax),
  }
}

/** Query parameter of links to the next page: the id of the last item of this one. */
export const beforeParameter = 'before'

/** Returns the `Link` header for one page of `total` items; undefined when one page holds them
 *  all. `url` is the absolute URL of the request. `lastId`: of a list that continues by id, the
 *  last item of this page, or null on the last one. */
export function linkHeader(
  url: URL,
  { page, perPage }: PageRequest,
  total: number,
  lastId?: number | null,
): string | undefined {
  const last = Math.max(1, Math.ceil(total / perPage))
  const links: string[] = []
  const add = (target: number, relation: string, before?: number | null): void => {
    const linked = new URL(url)
    linked.searchParams.set('page', String(target))
    linked.searchParams.delete(beforeParameter)
    if (before) linked.searchParams.set(beforeParameter, String(before))
    links.push(`<${linked.href}>; rel="${relation}"`)
  }
  if (page > 1) add(Math.min(page - 1, last), 'prev')
  if (lastId === undefined ? page < last : lastId !== null) add(page + 1, 'next', lastId)
  if (page < last) add(last, 'last')
  if (page > 1) add(1, 'first')
  return links.length === 0 ? undefined : links.join(', ')
}

function bounded(text: string | undefined, fallback: number, max: number): number {
  const value = Number(text)
  return text !== undefined && /^\d{1,9}$/.test(text) && value >= 1
    ? Math.min(value, max)
    : fallback
}
