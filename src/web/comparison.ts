/** What pages that compare have in common. */
import { type Comparison, compareEntries } from '../browse/compare.ts'
import type { AppContext, AppRequest } from '../http/context.ts'
import type { Artifact } from '../metadata/metadata.ts'
import { type DifferenceKind, differenceKinds } from './compare-page.tsx'

/** Errors: whatever the request is aborted with. */
export async function comparisonOf(
  context: AppContext,
  c: AppRequest,
  { base, head }: { base: Artifact; head: Artifact },
): Promise<Comparison> {
  await context.checkpoint?.('comparing')
  return await compareEntries(context.metadata, base.id, head.id, c.req.raw.signal)
}

/** The kind that a page is narrowed to, if any. */
export function kindOfQuery(c: AppRequest): DifferenceKind | undefined {
  return differenceKinds.find((kind) => kind === c.req.query('kind'))
}
