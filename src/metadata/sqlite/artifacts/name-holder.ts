/** Who holds a name: in a run at most one artifact of a name has not been removed. */
import { and, eq, isNull, sql } from 'drizzle-orm'
import { artifacts } from '../../../../schema/artifacts.ts'
import { limits } from '../../../core/limits.ts'
import type { Connection } from '../connection/connection.ts'
import type { Removal } from './removal.ts'

export type NameHolder = Pick<
  typeof artifacts.$inferSelect,
  'id' | 'job' | 'kind' | 'manifestId' | 'state' | 'pinned' | 'endsAt'
>

/** Returns a function that finds the holder of a name, which may have expired. */
export function createHolderFinder({
  orm,
}: Connection): (runId: number, name: string) => NameHolder | undefined {
  const { id, job, kind, manifestId, state, pinned, endsAt, runId, name, removedAt } = artifacts
  const query = orm
    .select({ id, job, kind, manifestId, state, pinned, endsAt })
    .from(artifacts)
    .where(
      and(eq(runId, sql.placeholder('run')), eq(name, sql.placeholder('name')), isNull(removedAt)),
    )
    .prepare()
  return (run, wanted) => query.get({ run, name: wanted })
}

/** Returns a function that finds the holder of a name inside a transaction, and takes the name
 *  from one that has expired. While the clock is ahead of the believed time, it also returns one
 *  that has expired only by the clock: what is ended by mistake is gone. */
export function createLiveHolderFinder(
  connection: Connection,
  removal: Pick<Removal, 'endArtifact'>,
): (runId: number, name: string, now: number) => NameHolder | undefined {
  const find = createHolderFinder(connection)
  const believed = connection.prepare<[], { at: number | null }>(
    'SELECT believed_at AS at FROM store WHERE id = 1',
  )
  return (runId, name, now) => {
    const holder = find(runId, name)
    if (holder === undefined || holder.endsAt > now) return holder
    if (holder.endsAt > (believed.get()?.at ?? now) + believedForMs) return holder
    removal.endArtifact(holder.id, { state: 'expired', reason: 'retention', now })
    return undefined
  }
}

/** The believed time is noted once per look at the clock. */
const believedForMs = limits.clockLookMs + 2 * limits.clockToleranceMs
