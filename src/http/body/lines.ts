/** Listings as NDJSON bodies of unknown length. */
import { asError } from '../../core/errors.ts'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { type AppRequest, outgoingOf } from '../context.ts'

export const ndjsonType = 'application/x-ndjson'

/** JSON, one value a line, in pieces of about 64 KiB. */
export async function* linesOf(
  values: AsyncIterable<object> | Iterable<object>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const encoder = new TextEncoder()
  let pending = ''
  for await (const value of values) {
    pending += `${JSON.stringify(value)}\n`
    if (pending.length < 65_536) continue
    yield encoder.encode(pending)
    pending = ''
  }
  if (pending !== '') yield encoder.encode(pending)
}

/** The length is not known before the first byte, so a failure part-way cuts the connection: chunked encoding would
 *  otherwise end as if the listing were whole. */
export function lineStream(
  c: AppRequest,
  first: IteratorResult<Uint8Array, void>,
  rest: AsyncGenerator<Uint8Array, void, undefined>,
): ReadableStream<Uint8Array> {
  let next: IteratorResult<Uint8Array, void> | undefined = first
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      // Values that wait for nothing and a client that takes them at once would leave no turn to others.
      await nextTurn()
      try {
        const { value, done } = next ?? (await rest.next())
        next = undefined
        if (done === true) controller.close()
        else controller.enqueue(value)
      } catch (error) {
        const outgoing = outgoingOf(c)
        // The client hung up: the stream is cancelled, and there is nobody to tell.
        if (outgoing?.destroyed === true) return
        c.get('log').warn('a listing failed in mid-body', { error: asError(error) })
        if (outgoing === undefined) controller.error(error)
        else outgoing.destroy()
      }
    },
    async cancel() {
      await rest.return()
    },
  })
}
