/** Who holds a name: in a run at most one artifact of a name has not been removed. */
import { and, eq, isNull, sql } from 'drizzle-orm'
import { artifacts } from '../../../../schema/artifacts.ts'
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

/** Returns a function that finds the holder of a name inside a transaction, and takes the name from
 *  one that has expired. */
export function createLiveHolderFinder(
  connection: Connection,
  removal: Pick<Removal, 'endArtifact'>,
): (runId: number, name: string, now: number) => NameHolder | undefined {
  const find = createHolderFinder(connection)
  return (runId, name, now) => {
    const holder = find(runId, name)
    if (holder === undefined || holder.endsAt > now) return holder
    removal.endArtifact(holder.id, { state: 'expired', reason: 'retention', now })
    return undefined
  }
}
