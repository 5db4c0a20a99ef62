/** Bounds on bytes that pass by. */
import { storeError } from '../core/errors.ts'

/** Wraps any number of sources that share one budget of `maxBytes`. Errors: too_large. */
export function byteBudget(
  maxBytes: number,
): (source: AsyncIterable<Uint8Array>) => AsyncGenerator<Uint8Array> {
  let used = 0
  return async function* bounded(source) {
    for await (const piece of source) {
      used += piece.length
      if (used > maxBytes) {
        throw storeError('too_large', `the upload holds more than ${maxBytes} bytes`, {
          limit: 'logical bytes of one artifact',
          limitValue: maxBytes,
          setting: 'TROVE_MAX_ARTIFACT',
        })
      }
      yield piece
    }
  }
}
