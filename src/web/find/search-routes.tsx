/** Searches the artifacts of a project for paths. */
import type { Matches } from '../../browse/search.ts'
import { StoreError } from '../../core/errors.ts'
import { compilePathGlobs } from '../../core/glob/path-glob.ts'
import { seenBy } from '../../http/access/seen-by.ts'
import type { AppRequest } from '../../http/context.ts'
import { formatSearchCursor, parseSearchCursor, searchNewest } from '../../http/artifact/search.ts'
import { filterOf, queryOf, readQuery } from '../list/list-view.ts'
import { headingOf, projectOfPage } from '../page-access.ts'
import { sendPage, type Web } from '../page.tsx'
import { searchPagePath } from '../paths.ts'
import { sentenceOf } from '../problem-page.tsx'
import { SearchPage, SearchResultList, type SearchResults } from './search-page.tsx'
import { sendSlowPage } from '../slow-page.tsx'

/** Low, since paths can be long while the size of a page is bounded. */
const matchesPerPage = 50
/** Longest search per page; the page then offers to continue. */
const patienceMs = 5000

export async function searchPage(web: Web, c: AppRequest): Promise<Response> {
  const { context } = web
  const { principal, project, mayInspect, mayWrite } = await projectOfPage(context, c)
  const path = (c.req.query('path') ?? '').trim()
  const query = readQuery((name) => (fields.has(name) ? (c.req.query(name) ?? '') : ''))
  const filter = filterOf(project, query)
  const from = parseSearchCursor(c.req.query('cursor'))
  const branches = await context.metadata.listRunFacts(project.id, 'branch', 100)
  const isNarrowed = Object.values(queryOf(query)).some((value) => value !== '')
  const problem = path === '' ? null : problemOf(path)
  const view = { project: project.name, path, query, branches, mayInspect, mayWrite, problem }
  const content = headingOf(path === '' ? 'Search' : path, project.name)
  if (path === '' || problem !== null)
    return await sendPage(web, c, { ...content, body: <SearchPage {...view} results={null} /> })
  const search = async (): Promise<SearchResults> => {
    const { signal } = c.req.raw
    const wanted = { globs: [path], limit: matchesPerPage, from, msMax: patienceMs, signal }
    const steps = searchNewest(context, filter, wanted)
    const matches: Matches[] = []
    let step = await steps.next()
    for (; step.done !== true; step = await steps.next()) {
      const { artifact, found } = step.value
      matches.push({ artifact: seenBy(principal, artifact), found })
    }
    const cursor = step.value && formatSearchCursor(step.value)
    return {
      matches,
      isFull: matches.reduce((sum, { found }) => sum + found.length, 0) === matchesPerPage,
      onward: cursor && searchPagePath(project.name, { ...queryOf(query), path, cursor }),
      isLater: from !== undefined,
      widened: isNarrowed ? searchPagePath(project.name, { path }) : null,
      now: context.now(),
    }
  }
  return await sendSlowPage(web, c, {
    ...content,
    frame: (part) => <SearchPage {...view} results={<>{part}</>} />,
    waiting: 'Searching…',
    part: async () => <SearchResultList {...await search()} />,
  })
}

/** The filters of the artifact list that a search supports. */
const fields: ReadonlySet<string> = new Set(['name', 'branch', 'run'])

/** Why a pattern is invalid; null if it is valid. */
function problemOf(path: string): string | null {
  try {
    compilePathGlobs([path])
    return null
  } catch (error) {
    if (error instanceof StoreError) return sentenceOf(error.message)
    throw error
  }
}
