/** Past usage, copied from the rollups. The row of the current hour or day is overwritten until
 *  that period is over. */
import { and, eq, lt, sql } from 'drizzle-orm'
import { usagePoints } from '../../../../schema/usage-history.ts'
import { limits } from '../../../core/limits.ts'
import { dayMs, hourMs } from '../../../core/units.ts'
import type { Metadata, UsagePoint } from '../../metadata.ts'
import type { Connection } from '../connection/connection.ts'

const storeScope = 0

export function createUsageHistoryMethods(
  connection: Connection,
): Pick<Metadata, 'recordUsage' | 'listUsage'> {
  const { orm, prepare, stage } = connection
  const scopes = prepare<[number, number], { scope: number }>(
    'SELECT scope FROM totals WHERE scope > ? ORDER BY scope LIMIT ?',
  )
  const record = prepare<[slot: number, notedAt: number, scope: number]>(
    `INSERT INTO usage_points (scope, slot, noted_at, logical_bytes, chunk_bytes, stored_bytes)
     SELECT t.scope, ?, ?, t.logical_bytes, t.chunk_bytes, t.stored_bytes FROM totals t
     WHERE t.scope = ? AND NOT EXISTS (
       SELECT 1 FROM usage_points p
       WHERE p.scope = t.scope AND p.slot = (SELECT max(slot) FROM usage_points WHERE scope = t.scope)
         AND p.logical_bytes = t.logical_bytes AND p.chunk_bytes = t.chunk_bytes
         AND p.stored_bytes = t.stored_bytes)
     ON CONFLICT (scope, slot) DO UPDATE SET noted_at = excluded.noted_at,
       logical_bytes = excluded.logical_bytes, chunk_bytes = excluded.chunk_bytes,
       stored_bytes = excluded.stored_bytes`,
  )
  const forget = orm
    .delete(usagePoints)
    .where(
      and(
        eq(usagePoints.scope, sql.placeholder('scope')),
        lt(usagePoints.slot, sql.placeholder('before')),
      ),
    )
    .prepare()
  const thin = prepare<[scope: number, before: number]>(
    `DELETE FROM usage_points AS p WHERE p.scope = ? AND p.slot < ? AND EXISTS (
       SELECT 1 FROM usage_points AS later WHERE later.scope = p.scope AND later.slot > p.slot
         AND later.slot < (p.slot / ${dayMs} + 1) * ${dayMs})`,
  )
  const list = prepare<[scope: number, scope: number, since: number, since: number], UsagePoint>(
    `SELECT noted_at AS at, logical_bytes AS logicalBytes, chunk_bytes AS chunkBytes,
       stored_bytes AS storedBytes
     FROM usage_points WHERE scope = ? AND slot >= coalesce(
       (SELECT max(slot) FROM usage_points WHERE scope = ? AND slot <= ?), ?)
     ORDER BY slot LIMIT ${limits.usagePointsMax}`,
  )
  return {
    recordUsage: async (now, { after, limit }) =>
      stage(() => {
        const found = scopes.all(after ?? storeScope - 1, limit)
        for (const { scope } of found) {
          forget.run({ scope, before: now - limits.usageHistoryMs })
          record.run(now - (now % (scope === storeScope ? hourMs : dayMs)), now, scope)
          if (scope === storeScope) thin.run(scope, now - limits.usageHoursMs)
        }
        return found.length < limit ? null : found.at(-1)!.scope
      }),
    listUsage: async (projectId, since) => {
      const scope = projectId ?? storeScope
      return list.all(scope, scope, since, since)
    },
  }
}
