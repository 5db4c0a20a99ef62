/** Absolute URLs in responses of the REST subset; they keep the base path of the request. */
import { formatProjectPath } from '../../core/run/run.ts'
import { publicOrigin, type AppContext, type AppRequest } from '../../http/context.ts'
import { linkHeader, parsePageRequest, type PageRequest } from './paging.ts'

export function repositoryUrl(context: AppContext, c: AppRequest, project: string): string {
  const [prefix] = c.req.path.split('/repos/', 1)
  return `${publicOrigin(context, c)}${prefix}/repos/${formatProjectPath(project)}`
}

export function pageRequestOf(c: AppRequest): PageRequest {
  return parsePageRequest({ page: c.req.query('page'), perPage: c.req.query('per_page') })
}

/** Returns the requested page of `items`, and sets the links to the others. */
export function takePage<Item>(context: AppContext, c: AppRequest, items: Item[]): Item[] {
  setPageLinks(context, c, items.length)
  const { page, perPage } = pageRequestOf(c)
  return items.slice((page - 1) * perPage, page * perPage)
}

/** Sets the `Link` header to the pages around the requested one. `lastId`: see `linkHeader`. */
export function setPageLinks(
  context: AppContext,
  c: AppRequest,
  total: number,
  lastId?: number | null,
): void {
  const { pathname, search } = new URL(c.req.url)
  const url = new URL(pathname + search, publicOrigin(context, c))
  const link = linkHeader(url, pageRequestOf(c), total, lastId)
  if (link !== undefined) c.header('link', link)
}
