/** Bodies of one JSON value a line. */
import { limits } from '../../core/limits.ts'
import type { Answer } from './answer.ts'
import { NetworkError } from './network-error.ts'

/** A line holds two entries at most: paths, link targets and little else, each character at most six bytes of JSON. */
const lineLengthMax = 16 * (limits.pathBytesMax + limits.symlinkTargetBytesMax)

/** Ends early only by throwing. Errors: NetworkError. */
export async function* linesOf(answer: Answer): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder()
  let pending = ''
  for await (const chunk of answer.chunks()) {
    const lines = (pending + decoder.decode(chunk, { stream: true })).split('\n')
    pending = lines.pop() ?? ''
    yield* lines
    if (pending.length > lineLengthMax)
      throw new RangeError('the server sent a line without an end')
  }
  if (pending !== '') throw new NetworkError('the listing broke off within a line')
}
