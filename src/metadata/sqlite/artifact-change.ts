/** Who takes part when an artifact comes, goes or comes back. */
import type { Damage } from './damage.ts'
import type { Latest } from './latest.ts'
import type { QuotaCheck } from './quota-check.ts'
import type { Removal } from './removal.ts'

export interface ArtifactChange {
  removal: Removal
  damage: Pick<Damage, 'judge'>
  latest: Pick<Latest, 'settle'>
  checkQuota: QuotaCheck
}
