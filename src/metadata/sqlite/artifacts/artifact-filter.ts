/** Translates a filter to conditions on the rows of artifacts. */
import { type SQL, and, eq, gt, gte, isNull, lt, lte, ne, or, sql } from 'drizzle-orm'
import { artifacts } from '../../../../schema/artifacts.ts'
import { runs } from '../../../../schema/runs.ts'
import { dismissedSecrets, manifestSecrets } from '../../../../schema/secrets.ts'
import type { ArtifactFilter } from '../../metadata.ts'
import { equals, given, isOneOf, isSameText, plain } from '../connection/conditions.ts'

/** Live and unexpired: such an artifact is visible and holds its name. */
export function isLive(now: number): SQL | undefined {
  return and(isNull(artifacts.removedAt), gt(plain(artifacts.endsAt), now))
}

/** The source of a query for the undismissed secrets of an artifact. */
export const undismissedSecrets = sql`${manifestSecrets} s WHERE s.manifest_id = ${artifacts.manifestId}
  AND NOT EXISTS (SELECT 1 FROM ${dismissedSecrets} d
    WHERE d.project_id = ${artifacts.projectId} AND d.digest = s.digest)`

function holdsBlob(blobId: number): SQL {
  return sql`EXISTS (SELECT 1 FROM "references" r
    WHERE r.manifest_id = ${artifacts.manifestId} AND r.blob_id = ${blobId})`
}

/** Whether the condition is about the run, which must then be joined. */
export function isAboutRun({
  run,
  attempt,
  branch,
  workflow,
  pullRequest,
  actor,
}: ArtifactFilter): boolean {
  return [run, attempt, branch, workflow, pullRequest, actor].some((value) => value !== undefined)
}

/** The condition for artifacts that match a filter. When the filter names a run, SQLite finds them
 *  through it. */
export function matching(filter: ArtifactFilter, now: number): SQL | undefined {
  const project = filter.run === undefined ? plain(artifacts.projectId) : sql`${runs.projectId}`
  return and(
    equals(project, filter.projectId),
    given(filter.projectIds, (ids) => isOneOf(project, ids)),
    equals(runs.number, filter.run),
    equals(runs.attempt, filter.attempt),
    equals(plain(artifacts.name), filter.name),
    equals(plain(runs.branch), filter.branch),
    equals(plain(runs.workflow), filter.workflow),
    equals(plain(runs.pullRequest), filter.pullRequest),
    given(filter.actor, (actor) => isSameText(runs.actor, actor)),
    equals(plain(artifacts.latestOf), filter.latestOf),
    given(filter.nameContains, (part) => sql`instr(lower(${artifacts.name}), lower(${part})) > 0`),
    equals(artifacts.pinned, filter.pinned),
    equals(artifacts.keptLatest, filter.keptLatest),
    filter.secrets && sql`EXISTS (SELECT 1 FROM ${undismissedSecrets})`,
    equals(plain(artifacts.manifestId), filter.manifestId),
    given(filter.blobId, holdsBlob),
    given(filter.beforeId, (id) => lt(plain(artifacts.id), id)),
    given(filter.afterId, (id) => gt(plain(artifacts.id), id)),
    given(filter.exceptId, (id) => ne(plain(artifacts.id), id)),
    given(filter.createdSince, (since) => gte(plain(artifacts.createdAt), since)),
    given(filter.createdBefore, (before) => lt(plain(artifacts.createdAt), before)),
    given(filter.ids, (ids) => isOneOf(plain(artifacts.id), ids)),
    stateCondition(filter.state, now),
  )
}

function stateCondition(state: ArtifactFilter['state'], now: number): SQL | undefined {
  switch (state) {
    case undefined:
      return isLive(now)
    case 'any':
      return undefined
    case 'available':
    case 'damaged':
      return and(isLive(now), eq(plain(artifacts.state), state))
    case 'deleted':
      return eq(plain(artifacts.state), state)
    case 'expired':
      // An artifact expires at its time, whether or not it has been removed yet.
      return or(
        eq(plain(artifacts.state), state),
        and(isNull(artifacts.removedAt), lte(plain(artifacts.endsAt), now)),
      )
  }
}
