/** What the pages that compare two artifacts share. */
import { compareEntries } from '../../browse/compare.ts'
import { counted, formatCount } from '../../core/units.ts'
import type { AppContext, AppRequest } from '../../http/context.ts'
import {
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
  const files = counted(pair.base.fileCount, 'file')
  return {
    waiting: `Comparing ${files} with ${formatCount(pair.head.fileCount)}…`,
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
