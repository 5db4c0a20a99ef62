/** Upper bounds on bytes in transit. */
import { tooLarge } from '../core/errors.ts'

export interface ByteBudget {
  /** Counts bytes that do not pass through `bound`. Errors: too_large. */
  count(bytes: number): void
  /** Yields `source` and counts every byte. Errors: too_large. */
  bound(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array>
}

/** The bounded quantity, and the setting that moves the bound. */
export interface BudgetLimit {
  limit: string
  setting: string | null
}

const ofArtifact: BudgetLimit = {
  limit: 'logical bytes of one artifact',
  setting: 'TROVE_MAX_ARTIFACT',
}

/** A budget of `maxBytes` for any number of sources together. */
export function byteBudget(maxBytes: number, of: BudgetLimit = ofArtifact): ByteBudget {
  let used = 0
  const count = (bytes: number): void => {
    used += bytes
    if (used <= maxBytes) return
    const setting = of.setting === null ? '' : ` (${of.setting})`
    throw tooLarge(of.limit, maxBytes, `more than ${maxBytes} ${of.limit}${setting}`, of.setting)
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
