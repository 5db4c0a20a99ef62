/** Response bodies with one JSON value per line. */
import { limits } from '../../core/limits.ts'
import type { Answer } from './answer.ts'
import { NetworkError } from './network-error.ts'
import type { ServerAddress } from './agents.ts'
import { unreadableAnswer } from './foreign-answer.ts'

/** A line holds at most two entries: paths, symlink targets and little else, with at most six bytes
 *  of JSON per character. */
const lineLengthMax = 16 * (limits.pathBytesMax + limits.symlinkTargetBytesMax)

/** A stream that is cut short throws. Errors: NetworkError; AnswerError for an overlong line. */
export async function* linesOf(
  server: ServerAddress,
  answer: Answer,
): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder()
  let pending = ''
  for await (const chunk of answer.chunks()) {
    const lines = (pending + decoder.decode(chunk, { stream: true })).split('\n')
    pending = lines.pop() ?? ''
    yield* lines
    if (pending.length > lineLengthMax) throw unreadableAnswer(server, 'an overlong line')
  }
  if (pending !== '') throw new NetworkError(`${server.url} sent an incomplete listing`)
}
