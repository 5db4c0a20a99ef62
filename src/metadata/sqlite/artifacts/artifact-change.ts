/** What takes part when an artifact is created, removed or restored. */
import type { AuditLog } from '../audit/audit-log.ts'
import type { BoundCheck } from './bound-check.ts'
import type { Damage } from '../blobs/damage.ts'
import type { Latest } from './latest.ts'
import type { Removal } from './removal.ts'

export interface ArtifactChange {
  removal: Removal
  damage: Pick<Damage, 'judge'>
  latest: Pick<Latest, 'settle'>
  checkBounds: BoundCheck
  audit: AuditLog
}
