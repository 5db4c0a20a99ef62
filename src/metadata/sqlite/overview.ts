/** What pages ask across artifacts and runs: sums behind a filter, facets, who holds a digest, what was made by day. */
import type { Statement } from 'better-sqlite3'
import { type SQL, and, eq, inArray, sql } from 'drizzle-orm'
import { artifacts } from '../../../schema/artifacts.ts'
import { runs } from '../../../schema/runs.ts'
import { digestToBytes } from '../../core/digest.ts'
import { dayMs } from '../../core/units.ts'
import type { Artifact, DayOfArtifacts, Metadata } from '../metadata.ts'
import { createArtifactFinder, isHeld, matching } from './artifacts.ts'
import type { Connection } from './connection.ts'

type OverviewMethods = Pick<
  Metadata,
  'sumArtifacts' | 'sumRuns' | 'listRunFacts' | 'listHolders' | 'listDays'
>

const facts = { branch: runs.branch, workflow: runs.workflow, event: runs.event } as const

/** Rows of one answer: pairs of days of a year and a half, for some dozens of projects. */
const daysRowsMax = 100_000

export function createOverviewMethods(connection: Connection): OverviewMethods {
  const { orm, read, prepare } = connection
  const findArtifact = createArtifactFinder(connection)
  const holders = prepare<
    [Buffer, number, number | null, number | null, number, number],
    { id: number }
  >(
    `SELECT a.id FROM blobs b
       JOIN "references" r ON r.blob_id = b.id
       JOIN artifacts a ON a.manifest_id = r.manifest_id
     WHERE b.digest = ? AND b.state < 2 AND a.removed_at IS NULL AND a.ends_at > ?
       AND (? IS NULL OR a.project_id = ?) AND a.id < ?
     ORDER BY a.id DESC LIMIT ?`,
  )
  const prepareDays = <Parameters extends unknown[]>(
    where: string,
  ): Statement<Parameters, DayOfArtifacts> =>
    prepare(
      `SELECT project_id AS projectId, created_at / ${dayMs} AS createdDay,
         CASE WHEN removed_at IS NOT NULL THEN removed_at / ${dayMs}
              WHEN ends_at <= ? THEN ends_at / ${dayMs} END AS endedDay,
         count(*) AS artifacts, sum(logical_bytes) AS logicalBytes, sum(new_bytes) AS newBytes
       FROM artifacts
       WHERE (removed_at IS NULL OR removed_at >= ?) ${where}
       GROUP BY 1, 2, 3 ORDER BY 2 LIMIT ${daysRowsMax}`,
    )
  const daysOfStore = prepareDays<[now: number, since: number]>('')
  const daysOfProject =
    prepareDays<[now: number, since: number, projectId: number]>('AND project_id = ?')
  return {
    sumArtifacts: async (filter, now) =>
      orm
        .select({
          artifacts: sql<number>`count(*)`,
          logicalBytes: sql<number>`coalesce(sum(${artifacts.logicalBytes}), 0)`,
          newBytes: sql<number>`coalesce(sum(${artifacts.newBytes}), 0)`,
        })
        .from(artifacts)
        .innerJoin(runs, eq(runs.id, artifacts.runId))
        .where(matching(filter, now))
        .get()!,
    sumRuns: async (runIds, now) =>
      orm
        .select({
          runId: artifacts.runId,
          artifacts: sql<number>`count(*)`,
          logicalBytes: sql<number>`sum(${artifacts.logicalBytes})`,
          newBytes: sql<number>`sum(${artifacts.newBytes})`,
        })
        .from(artifacts)
        .where(and(inArray(artifacts.runId, runIds), isHeld(now)))
        .groupBy(artifacts.runId)
        .all(),
    listRunFacts: async (projectId, fact, limit) => {
      const column = facts[fact]
      const newest: SQL = sql`max(${runs.id}) DESC`
      return orm
        .select({ value: column })
        .from(runs)
        .where(and(eq(runs.projectId, projectId), sql`${column} IS NOT NULL`))
        .groupBy(column)
        .orderBy(newest)
        .limit(limit)
        .all()
        .map(({ value }) => value!)
    },
    listHolders: async (digest, { projectId, now, limit, beforeId = Number.MAX_SAFE_INTEGER }) =>
      read(() =>
        holders
          .all(digestToBytes(digest), now, projectId, projectId, beforeId, limit)
          .map(({ id }) => findArtifact(id))
          .filter((found): found is Artifact => found !== undefined),
      ),
    listDays: async (projectId, { since, now }) =>
      projectId === null ? daysOfStore.all(now, since) : daysOfProject.all(now, since, projectId),
  }
}
