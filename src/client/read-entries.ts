/** An artifact's entries, streamed in path order. */
import type { WireEntry } from '../api/messages.ts'
import { manifestPath } from '../api/paths.ts'
import { openAnswer, type ServerAccess } from './transport/http.ts'
import { linesOf } from './transport/lines.ts'
import { parseMessage } from './transport/message.ts'

/** Yields all entries, or the entry `under` and everything below it. A stream that is cut short
 *  throws.
 *  Errors: not_found (no such path), and those of `openAnswer`. */
export async function* readEntries(
  server: ServerAccess,
  artifactId: number,
  { under, signal }: { under: string; signal: AbortSignal },
): AsyncGenerator<WireEntry, void, undefined> {
  const answer = await openAnswer(server, {
    path: manifestPath(artifactId),
    query: { under: under === '' ? undefined : under },
    signal,
  })
  for await (const line of linesOf(answer))
    yield parseMessage<WireEntry>(server, line, ['kind', 'path'])
}
