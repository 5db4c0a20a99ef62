/** Lists the runs of a project that match a filter. */
import { type SQL, and, desc, eq, gte, inArray, isNull, lt, notInArray, or, sql } from 'drizzle-orm'
import { artifacts } from '../../../../schema/artifacts.ts'
import { projects, runs } from '../../../../schema/runs.ts'
import { pullRequestEvents, type ProjectName } from '../../../core/run/run.ts'
import type { Metadata, Run, RunFilter, RunState } from '../../metadata.ts'
import { isLive } from '../artifacts/artifact-filter.ts'
import { equals, given, isSameText, plain } from '../connection/conditions.ts'
import type { Connection } from '../connection/connection.ts'
import { inStretches } from '../connection/stretches.ts'
import { isUsedRun } from './used-run.ts'
import { silentSince } from './silence.ts'

export interface FoundRun {
  runs: typeof runs.$inferSelect
  projects: typeof projects.$inferSelect
}

/** Walks the runs of a commit, a pull request or a branch where one is given, in this order, else
 *  those of the project. It goes in stretches: the rest of a filter can match few of many runs. */
export function createRunList(connection: Connection): Metadata['listRuns'] {
  const { orm } = connection
  return async (projectId, { limit, before, filter = {} }) => {
    const isMatch = conditionOf(filter)
    const found: Run[] = []
    await inStretches(connection, {
      table: runs,
      index: and(eq(runs.projectId, projectId), narrowestOf(filter)),
      direction: 'down',
      after: before,
      visit: (stretch) => {
        const rows = orm
          .select()
          .from(runs)
          .innerJoin(projects, eq(projects.id, runs.projectId))
          .where(and(stretch, isMatch))
          .orderBy(desc(runs.id))
          .limit(limit - found.length)
          .all()
        found.push(...rows.map(toRun))
        return found.length < limit
      },
    })
    return found
  }
}

const headSha = sql`coalesce(${runs.headSha}, ${runs.sha})`

/** The condition that selects an index to walk; none for that of the project. */
function narrowestOf({ headSha: sha, pullRequest, branch }: RunFilter): SQL | undefined {
  if (sha !== undefined) return eq(headSha, sha)
  if (pullRequest !== undefined) return eq(runs.pullRequest, pullRequest)
  return equals(runs.branch, branch)
}

function conditionOf(filter: RunFilter): SQL | undefined {
  return and(
    sql.raw(isUsedRun('runs')),
    equals(sql`+${headSha}`, filter.headSha),
    equals(plain(runs.pullRequest), filter.pullRequest),
    equals(plain(runs.branch), filter.branch),
    equals(runs.workflow, filter.workflow),
    equals(runs.event, filter.event),
    given(filter.actor, (actor) => isSameText(runs.actor, actor)),
    given(filter.isOfPullRequest, (isOfPullRequest) =>
      isOfPullRequest
        ? inArray(runs.event, [...pullRequestEvents])
        : or(isNull(runs.event), notInArray(runs.event, [...pullRequestEvents])),
    ),
    given(
      filter.withArtifactsAt,
      (now) =>
        sql`EXISTS (SELECT 1 FROM ${artifacts} WHERE ${artifacts.runId} = ${runs.id} AND ${isLive(now)})`,
    ),
    given(
      filter.state,
      ({ is, now }) =>
        sql`EXISTS (SELECT 1 FROM run_records t WHERE t.run_id = ${runs.id} AND ${recordedAs(is, silentSince(now))})`,
    ),
    given(filter.createdSince, (since) => gte(runs.createdAt, since)),
    given(filter.createdBefore, (before) => lt(runs.createdAt, before)),
    filter.newestAttempts &&
      sql`NOT EXISTS (SELECT 1 FROM runs newer WHERE newer.number = ${runs.number}
        AND newer.project_id = ${runs.projectId} AND newer.attempt > ${runs.attempt}
        AND ${sql.raw(isUsedRun('newer'))})`,
  )
}

function recordedAs(state: RunState, silent: number): SQL {
  const isOpen = sql`t.conclusion IS NULL AND t.updated_at > ${silent}`
  switch (state) {
    case 'queued':
      return sql`${isOpen} AND t.started_at IS NULL`
    case 'in_progress':
      return sql`${isOpen} AND t.started_at IS NOT NULL`
    case 'completed':
      return sql`NOT (${isOpen})`
    case 'stale':
      return sql`t.conclusion IS NULL AND t.updated_at <= ${silent}`
    default:
      return sql`t.conclusion = ${state}`
  }
}

export function toRun({
  runs: { usedAt: _used, isLatestSettled: _settled, ...run },
  projects: { ownerRepo },
}: FoundRun): Run {
  return { ...run, project: ownerRepo as ProjectName }
}
