/** Differences between two artifacts, as computed by the server. */
import type {
  WireComparison,
  WireComparisonHead,
  WireDifference,
} from '../api/comparison-messages.ts'
import { apiRoot } from '../api/paths.ts'
import { limits } from '../core/limits.ts'
import { formatCount } from '../core/units.ts'
import { formatReference, type Reference } from '../core/reference.ts'
import type { ProjectName } from '../core/run/run.ts'
import { NetworkError } from './transport/network-error.ts'
import { openAnswer, requestJson, type ServerAccess } from './transport/http.ts'
import { linesOf } from './transport/lines.ts'
import { unreadableAnswer } from './transport/foreign-answer.ts'
import { parseMessage } from './transport/message.ts'

export interface ReceivedComparison {
  head: WireComparisonHead
  /** In path order. A stream that is cut short throws; it never ends silently. */
  differences: AsyncGenerator<WireDifference, void, undefined>
}

/** `project` completes references that name none; null leaves the choice to the token.
 *  Errors: artifact_not_found, artifact_expired, artifact_deleted, and those of `openAnswer`. */
export async function readComparison(
  server: ServerAccess,
  { base, head }: { base: Reference; head: Reference },
  { project, signal }: { project: ProjectName | null; signal: AbortSignal },
): Promise<ReceivedComparison> {
  const answer = await openAnswer(server, {
    path: `${apiRoot}/compare`,
    query: { base: formatReference(base), head: formatReference(head), project },
    headers: { accept: 'application/x-ndjson' },
    signal,
  })
  const lines = linesOf(server, answer)
  const first = await lines.next()
  if (first.done === true) throw broken(server)
  const received = parseMessage<WireComparisonHead>(server, first.value, ['totals', 'differences'])
  if (received.differences > limits.compareDifferencesMax) {
    const most = formatCount(limits.compareDifferencesMax)
    throw unreadableAnswer(server, `a comparison with more than ${most} differences`)
  }
  return { head: received, differences: differencesOf(server, lines, received.differences) }
}

/** Like `readComparison`, but returns only the totals and the differences that explain most of
 *  the growth. Errors: the same. */
export async function readGrowth(
  server: ServerAccess,
  { base, head }: { base: number; head: number },
  signal: AbortSignal,
): Promise<Pick<WireComparison, 'totals' | 'growth'>> {
  const query = { base: `id:${base}`, head: `id:${head}`, limit: 1 }
  const request = { path: `${apiRoot}/compare`, query, signal }
  return await requestJson(server, request, ['totals', 'growth'])
}

async function* differencesOf(
  server: ServerAccess,
  lines: AsyncGenerator<string, void, undefined>,
  count: number,
): AsyncGenerator<WireDifference, void, undefined> {
  let left = count
  for await (const line of lines) {
    left -= 1
    if (left < 0) throw unreadableAnswer(server, `more than the ${count} announced differences`)
    yield parseMessage<WireDifference>(server, line, ['kind', 'path'])
  }
  if (left > 0) throw broken(server)
}

function broken({ url }: ServerAccess): NetworkError {
  return new NetworkError(`${url} sent an incomplete comparison`)
}
