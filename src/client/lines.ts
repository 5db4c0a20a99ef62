/** Bodies of one JSON value a line. */
import { limits } from '../core/limits.ts'
import { NetworkError } from './http.ts'

/** A line holds two entries at most: paths, link targets and little else, each character at most six bytes of JSON. */
const lineLengthMax = 16 * (limits.pathBytesMax + limits.symlinkTargetBytesMax)

/** Ends early only by throwing. Errors: NetworkError. */
export async function* linesOf(response: Response): AsyncGenerator<string, void, undefined> {
  let pending = ''
  try {
    for await (const text of (response.body ?? new ReadableStream()).pipeThrough(
      new TextDecoderStream(),
    )) {
      const lines = (pending + text).split('\n')
      pending = lines.pop() ?? ''
      yield* lines
      if (pending.length > lineLengthMax)
        throw new RangeError('the server sent a line without an end')
    }
  } catch (error) {
    if (error instanceof TypeError)
      throw new NetworkError('the listing broke off', { cause: error })
    throw error
  }
  if (pending !== '') throw new NetworkError('the listing broke off within a line')
}
