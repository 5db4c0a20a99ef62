/** Absolute URLs in answers of the REST subset: they stay below the base that the request came by. */
import { formatProjectPath } from '../core/run.ts'
import { publicOrigin, type AppContext, type AppRequest } from '../http/context.ts'
import { linkHeader, parsePageRequest, type PageRequest } from './rest-paging.ts'

export function repositoryUrl(context: AppContext, c: AppRequest, project: string): string {
  const [prefix] = c.req.path.split('/repos/', 1)
  return `${publicOrigin(context, c)}${prefix}/repos/${formatProjectPath(project)}`
}

export function pageRequestOf(c: AppRequest): PageRequest {
  return parsePageRequest({ page: c.req.query('page'), perPage: c.req.query('per_page') })
}

/** The page of `items` that is asked for, and where the others are. */
export function takePage<Item>(context: AppContext, c: AppRequest, items: Item[]): Item[] {
  setPageLinks(context, c, items.length)
  const { page, perPage } = pageRequestOf(c)
  return items.slice((page - 1) * perPage, page * perPage)
}

/** Tells of the pages around the one that is asked for. */
export function setPageLinks(context: AppContext, c: AppRequest, total: number): void {
  const { pathname, search } = new URL(c.req.url)
  const url = new URL(pathname + search, publicOrigin(context, c))
  const link = linkHeader(url, pageRequestOf(c), total)
  if (link !== undefined) c.header('link', link)
}
