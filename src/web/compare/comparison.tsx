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
import { growthOf } from '../../browse/growth.ts'
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
    part: async () => <Differences {...view} {...await comparisonOf(context, c, view)} />,
  }
}

/** Errors: whatever the request is aborted with. */
async function comparisonOf(
  context: AppContext,
  c: AppRequest,
  { base, head }: Pick<CompareView, 'base' | 'head'>,
): Promise<Pick<CompareView, 'comparison' | 'growth'>> {
  const { signal } = c.req.raw
  await context.checkpoint?.('comparing')
  const comparison = await compareEntries(context.metadata, base.id, head.id, signal)
  const totalDelta = head.logicalBytes - base.logicalBytes
  return { comparison, growth: await growthOf(comparison.differences, totalDelta, signal) }
}

/** The kind that a page is narrowed to, if any. */
function kindOfQuery(c: AppRequest): DifferenceKind | undefined {
  return differenceKinds.find((kind) => kind === c.req.query('kind'))
}
