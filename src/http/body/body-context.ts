import type { People } from '../../auth/people.ts'
import type { Revocations } from '../../auth/revocations.ts'
import type { RequestMetrics } from '../operation/metrics.ts'

/** The parts of the context that request bodies need. */
export interface BodyContext {
  config: { idleMs: number }
  metrics: Pick<RequestMetrics, 'received'>
  revocations: Pick<Revocations, 'has'>
  people: Pick<People, 'stillMay'>
}
