/** What pages that compare have in common. */
import { compareEntries } from '../../browse/compare.ts'
import type { AppContext, AppRequest } from '../../http/context.ts'
import {
  comparingSentence,
  type CompareView,
  Differences,
  type DifferenceKind,
  differenceKinds,
} from './compare-page.tsx'
import { pageOfQuery } from '../input.ts'
import type { SlowContent } from '../slow-page.tsx'

/** The differences, as far as the query narrows them, which take a while. Errors: invalid_request. */
export function slowDifferences(
  context: AppContext,
  c: AppRequest,
  pair: Pick<CompareView, 'base' | 'head' | 'address' | 'now'>,
): Pick<SlowContent, 'waiting' | 'part'> {
  const view = { ...pair, kind: kindOfQuery(c), pageNumber: pageOfQuery(c) }
  return {
    waiting: comparingSentence(pair.base, pair.head),
    part: async () => {
      await context.checkpoint?.('comparing')
      const { signal } = c.req.raw
      const ids = [pair.base.id, pair.head.id] as const
      const comparison = await compareEntries(context.metadata, ...ids, signal)
      return <Differences {...view} comparison={comparison} />
    },
  }
}

/** The kind that a page is narrowed to, if any. */
function kindOfQuery(c: AppRequest): DifferenceKind | undefined {
  return differenceKinds.find((kind) => kind === c.req.query('kind'))
}
