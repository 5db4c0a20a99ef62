/** Bounds on bytes that pass by. */
import { tooLarge } from '../core/errors.ts'

export interface ByteBudget {
  /** Counts bytes that nobody sees pass. Errors: too_large. */
  count(bytes: number): void
  /** `source`, of which every byte is counted. Errors: too_large. */
  bound(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array>
}

/** What is bounded, and the setting that moves the bound. */
export interface BudgetLimit {
  limit: string
  setting: string | null
}

const ofArtifact: BudgetLimit = {
  limit: 'logical bytes of one artifact',
  setting: 'TROVE_MAX_ARTIFACT',
}

/** For any number of sources that share `maxBytes`. */
export function byteBudget(maxBytes: number, of: BudgetLimit = ofArtifact): ByteBudget {
  let used = 0
  const count = (bytes: number): void => {
    used += bytes
    if (used <= maxBytes) return
    throw tooLarge(of.limit, maxBytes, `${of.limit}: more than ${maxBytes}`, of.setting)
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
