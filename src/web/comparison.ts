/** What pages that compare have in common. */
import { compareEntries } from '../browse/compare.ts'
import type { AppContext, AppRequest } from '../http/context.ts'
import { type CompareView, type DifferenceKind, differenceKinds } from './compare-page.tsx'
import { growthOf } from './growth.ts'

/** Errors: whatever the request is aborted with. */
export async function comparisonOf(
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
export function kindOfQuery(c: AppRequest): DifferenceKind | undefined {
  return differenceKinds.find((kind) => kind === c.req.query('kind'))
}
