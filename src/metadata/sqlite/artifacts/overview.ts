/** Queries of pages across artifacts and runs: sums, facets, uploads per day. */
import { type SQL, and, gte, inArray, sql } from 'drizzle-orm'
import { artifacts } from '../../../../schema/artifacts.ts'
import { limits } from '../../../core/limits.ts'
import { dayMs } from '../../../core/units.ts'
import type { Metadata, RunFact } from '../../metadata.ts'
import { isLive } from './artifact-filter.ts'
import { createWalk } from './artifact-walk.ts'
import type { Connection } from '../connection/connection.ts'

type OverviewMethods = Pick<Metadata, 'sumRuns' | 'listRunFacts' | 'listUploadDays'>

export function createOverviewMethods(connection: Connection): OverviewMethods {
  const { orm } = connection
  return {
    sumRuns: async (runIds, now) =>
      orm
        .select({
          runId: artifacts.runId,
          artifacts: sql<number>`count(*)`,
          logicalBytes: sql<number>`sum(${artifacts.logicalBytes})`,
          newBytes: sql<number>`sum(${artifacts.newBytes})`,
        })
        .from(artifacts)
        .where(and(inArray(artifacts.runId, runIds), isLive(now)))
        .groupBy(artifacts.runId)
        .all(),
    listRunFacts: createFactList(connection),
    listUploadDays: createUploadDays(connection),
  }
}

/** Runs per statement: each can have a different value. */
const factRuns = 1024

/** Scans the newest runs first, until there are enough values or enough runs were scanned. A
 *  project usually has few workflows, and would otherwise be scanned to its first run every
 *  time. */
function createFactList({ prepare, turn }: Connection): Metadata['listRunFacts'] {
  const prepareStretch = (fact: RunFact) =>
    prepare<
      [projectId: number, before: number],
      { value: string | null; oldestId: number; runs: number }
    >(
      `SELECT value, min(id) AS oldestId, count(*) AS runs
       FROM (SELECT id, ${fact} AS value FROM runs INDEXED BY runs_by_project
         WHERE project_id = ? AND id < ? ORDER BY id DESC LIMIT ${factRuns})
       GROUP BY value ORDER BY max(id) DESC`,
    )
  const stretches = {
    branch: prepareStretch('branch'),
    workflow: prepareStretch('workflow'),
    event: prepareStretch('event'),
    actor: prepareStretch('actor'),
  }
  return async (projectId, fact, limit) => {
    const found = new Set<string>()
    let before = Number.MAX_SAFE_INTEGER
    for (let scanned = factRuns; ; scanned += factRuns) {
      const rows = stretches[fact].all(projectId, before)
      for (const { value } of rows) if (value !== null) found.add(value)
      const isLast = rows.reduce((sum, { runs }) => sum + runs, 0) < factRuns
      if (isLast || scanned >= limits.runFactsScannedMax || found.size >= limit)
        return [...found].slice(0, limit)
      before = Math.min(...rows.map(({ oldestId }) => oldestId))
      await turn()
    }
  }
}

/** Scans the newest artifacts first, until a stretch has none of those days. */
function createUploadDays(connection: Connection): Metadata['listUploadDays'] {
  const { orm } = connection
  const walk = createWalk(connection)
  const day: SQL<number> = sql`${artifacts.createdAt} / ${sql.raw(String(dayMs))}`
  return async (projectId, since) => {
    const days = new Map<number, number>()
    await walk({ projectId, state: 'any' }, { direction: 'down' }, (stretch) => {
      const rows = orm
        .select({ day, logicalBytes: sql<number>`sum(${artifacts.logicalBytes})` })
        .from(artifacts)
        .where(and(stretch, gte(artifacts.createdAt, since)))
        .groupBy(sql`1`)
        .all()
      for (const row of rows) days.set(row.day, (days.get(row.day) ?? 0) + row.logicalBytes)
      return rows.length > 0
    })
    return [...days].map(([uploadedOn, logicalBytes]) => ({ day: uploadedOn, logicalBytes }))
  }
}
