/** Entries of artifacts by their paths, over many artifacts. */
import type { WireSearchLine, WireSearchMatch } from '../api/messages.ts'
import { searchPath } from '../api/paths.ts'
import { joinPathGlobs } from '../core/path-glob.ts'
import type { ListOptions } from './artifacts.ts'
import { NetworkError } from './transport/network-error.ts'
import { openAnswer, type ServerAccess } from './transport/http.ts'
import { linesOf } from './transport/lines.ts'
import { parseMessage } from './transport/message.ts'

export interface SearchOptions extends Omit<ListOptions, 'state' | 'sort'> {
  /** An entry matches when its whole path matches one of these. */
  globs: readonly [string, ...string[]]
}

/** As many as a server gives in one answer. */
const matchesAtOnce = 200

/** Those of the newest artifact first, and of each in path order; asks again where an answer says that there is more to
 *  search. Ends early only by throwing. Errors: those of `openAnswer`. */
export async function* searchPaths(
  server: ServerAccess,
  { globs, signal, ...filter }: SearchOptions,
): AsyncGenerator<WireSearchMatch, void, undefined> {
  const path = joinPathGlobs(globs)
  for (let cursor: string | null = null; ;) {
    const query: Record<string, string | number | null | undefined> = {
      path,
      ...filter,
      limit: matchesAtOnce,
      cursor,
    }
    const request = { path: searchPath, query, ...(signal !== undefined && { signal }) }
    const answer = await openAnswer(server, request)
    let next: string | null | undefined
    for await (const line of linesOf(answer)) {
      const message = parseMessage<WireSearchLine>(server, line, [])
      if ('entry' in message) yield message
      else next = message.nextCursor
    }
    if (next === undefined) throw new NetworkError(`the search of ${server.url} broke off`)
    if (next === null) return
    cursor = next
  }
}
