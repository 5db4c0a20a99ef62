/** An artifact's entries, streamed in path order. */
import { entriesHeader } from '../api/completeness.ts'
import type { WireEntry } from '../api/messages.ts'
import { manifestPath } from '../api/paths.ts'
import { openAnswer, type ServerAccess } from './transport/http.ts'
import { linesOf } from './transport/lines.ts'
import { NetworkError } from './transport/network-error.ts'
import { unreadableAnswer } from './transport/foreign-answer.ts'
import { parseMessage } from './transport/message.ts'

/** Yields all entries, or the entry `under` and everything below it. `files`, where it is known,
 *  is how many files the artifact has. A stream that is cut short throws; one that ends between
 *  two entries is noticed by a header of the server (an older one sends none), by `files`, or when
 *  it is empty.
 *  Errors: not_found (no such path), NetworkError, and those of `openAnswer`. */
export async function* readEntries(
  server: ServerAccess,
  artifactId: number,
  { under, files, signal }: { under: string; files?: number; signal: AbortSignal },
): AsyncGenerator<WireEntry, void, undefined> {
  const answer = await openAnswer(server, {
    path: manifestPath(artifactId),
    query: { under: under === '' ? undefined : under },
    signal,
  })
  const seen = { entries: 0, files: 0 }
  for await (const line of linesOf(server, answer)) {
    const entry = parseMessage<WireEntry>(server, line, ['kind', 'path'])
    seen.entries += 1
    if (entry.kind === 'file') seen.files += 1
    if (seen.files > (files ?? Infinity))
      throw unreadableAnswer(server, `more files than the ${files} of the artifact`)
    yield entry
  }
  const announced = answer.header(entriesHeader) ?? seen.entries
  const isExpected = under === '' ? seen.files === (files ?? seen.files) : seen.entries > 0
  if (!isExpected || Number(announced) !== seen.entries)
    throw new NetworkError(`${server.url} sent an incomplete listing`)
}
