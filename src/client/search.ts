/** Searches many artifacts for entries by path. */
import type { WireSearchLine, WireSearchMatch } from '../api/messages.ts'
import { searchPath } from '../api/paths.ts'
import { joinPathGlobs } from '../core/glob/path-glob.ts'
import type { ListOptions } from './artifacts.ts'
import { NetworkError } from './transport/network-error.ts'
import { openAnswer, type ServerAccess } from './transport/http.ts'
import { linesOf } from './transport/lines.ts'
import { parseMessage } from './transport/message.ts'
import { unreadableAnswer } from './transport/foreign-answer.ts'

export interface SearchOptions extends Omit<ListOptions, 'state' | 'sort'> {
  /** An entry matches when its whole path matches at least one of these globs. */
  globs: readonly [string, ...string[]]
}

/** The server's maximum per response. */
const matchesAtOnce = 200

/** Yields matches newest artifact first, and in path order within an artifact. Requests further
 *  pages while the server reports more to search. A stream that is cut short throws. Errors:
 *  those of `openAnswer`; AnswerError, when a page leads to itself. */
export async function* searchPaths(
  server: ServerAccess,
  { globs, signal, ...filter }: SearchOptions,
): AsyncGenerator<WireSearchMatch, void, undefined> {
  const path = joinPathGlobs(globs)
  for (let cursor: string | null = null; ;) {
    const query = { path, ...filter, limit: matchesAtOnce, cursor }
    const answer = await openAnswer(server, { path: searchPath, query, signal })
    let next: string | null | undefined
    for await (const line of linesOf(server, answer)) {
      const message = parseMessage<WireSearchLine>(server, line, [])
      if ('entry' in message) yield message
      else next = message.nextCursor
    }
    if (next === undefined) throw new NetworkError(`${server.url} sent incomplete search results`)
    if (next === null) return
    if (next === cursor) throw unreadableAnswer(server, 'a page that is followed by itself')
    cursor = next
  }
}
