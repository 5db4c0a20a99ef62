/** An artifact's entries, streamed in path order. */
import { entrySchema, type WireEntry } from '../api/messages.ts'
import { manifestPath } from '../api/paths.ts'
import { limits } from '../core/limits.ts'
import { NetworkError, openResponse, type ServerAccess } from './http.ts'

/** A line holds one entry: a path, a link target and little else, each character at most six bytes of JSON. */
const lineLengthMax = 8 * (limits.pathBytesMax + limits.symlinkTargetBytesMax)

/** All entries, or the entry `under` with what lies below it. Ends early only by throwing.
 *  Errors: not_found (nothing is there), and those of `openResponse`. */
export async function* readEntries(
  server: ServerAccess,
  artifactId: number,
  { under, signal }: { under: string; signal: AbortSignal },
): AsyncGenerator<WireEntry, void, undefined> {
  const response = await openResponse(server, {
    path: manifestPath(artifactId),
    query: { under: under === '' ? undefined : under },
    signal,
  })
  for await (const line of linesOf(response)) yield entrySchema.parse(JSON.parse(line))
}

async function* linesOf(response: Response): AsyncGenerator<string, void, undefined> {
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
