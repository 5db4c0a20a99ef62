/** What the pages that compare two artifacts share. */
import { compareEntries } from '../../browse/compare.ts'
import type { AppContext, AppRequest } from '../../http/context.ts'
import {
  comparingSentence,
  type CompareView,
  Differences,
  type DifferenceKind,
  differenceKinds,
} from './compare-page.tsx'
import { numberOfQuery } from '../input.ts'
import type { SlowContent } from '../slow-page.tsx'

/** The differences between two artifacts, filtered by the query, as a slow part. Errors:
 *  invalid_request. */
export function slowDifferences(
  context: AppContext,
  c: AppRequest,
  pair: Pick<CompareView, 'base' | 'head' | 'address' | 'now'>,
): Pick<SlowContent, 'waiting' | 'part'> {
  const view = { ...pair, kind: kindOfQuery(c), pageNumber: numberOfQuery(c, 'page') ?? 1 }
  return {
    waiting: comparingSentence(pair.base, pair.head),
    part: async () => {
      await context.checkpoint?.('comparing')
      const { signal } = c.req.raw
      return await compareEntries(
        [context.metadata, pair.base.id, pair.head.id, signal],
        (comparison) => <Differences {...view} comparison={comparison} />,
      )
    },
  }
}

/** The kind of difference that the query filters by, if any. */
function kindOfQuery(c: AppRequest): DifferenceKind | undefined {
  return differenceKinds.find((kind) => kind === c.req.query('kind'))
}
