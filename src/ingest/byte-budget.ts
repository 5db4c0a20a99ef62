/** Bounds on bytes that pass by. */
import { storeError } from '../core/errors.ts'

export interface ByteBudget {
  /** Counts bytes that nobody sees pass. Errors: too_large. */
  count(bytes: number): void
  /** `source`, of which every byte is counted. Errors: too_large. */
  bound(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array>
}

/** For any number of sources that share `maxBytes`. */
export function byteBudget(maxBytes: number): ByteBudget {
  let used = 0
  const count = (bytes: number): void => {
    used += bytes
    if (used <= maxBytes) return
    throw storeError('too_large', `the upload holds more than ${maxBytes} bytes`, {
      limit: 'logical bytes of one artifact',
      limitValue: maxBytes,
      setting: 'TROVE_MAX_ARTIFACT',
    })
  }
  return {
    count,
    bound: async function* bound(source) {
      for await (const piece of source) {
        count(piece.length)
        yield piece
      }
    },
  }
}
