/** Queries of pages across artifacts and runs: sums, facets, uploads per day. */
import { and, inArray, sql } from 'drizzle-orm'
import { artifacts } from '../../../../schema/artifacts.ts'
import { limits } from '../../../core/limits.ts'
import { dayMs } from '../../../core/units.ts'
import type { DayOfUploads, Metadata, RunFact } from '../../metadata.ts'
import { isLive } from './artifact-filter.ts'
import type { Connection } from '../connection/connection.ts'
import { stretchRowsMax } from '../connection/stretches.ts'
import { isUsedRun } from '../runs/used-run.ts'
import { endOfTime } from './latest.ts'

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
       FROM (SELECT id, CASE WHEN ${isUsedRun('runs')} THEN ${fact} END AS value FROM runs INDEXED BY runs_by_project
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

/** Reads an index that has all it takes, by time: a large project gets thousands a day. */
function createUploadDays({ prepare, turn }: Connection): Metadata['listUploadDays'] {
  const since = 'artifacts INDEXED BY artifacts_by_time WHERE project_id = ? AND created_at >= ?'
  const findEnd = prepare<[projectId: number, from: number], { at: number }>(
    `SELECT created_at AS at FROM ${since} ORDER BY created_at LIMIT 1 OFFSET ${stretchRowsMax - 1}`,
  )
  const sum = prepare<[projectId: number, from: number, until: number], DayOfUploads>(
    `SELECT created_at / ${dayMs} AS day, sum(logical_bytes) AS logicalBytes
     FROM ${since} AND created_at <= ? GROUP BY day`,
  )
  return async (projectId, first) => {
    const days = new Map<number, number>()
    for (let from = first; ;) {
      const end = findEnd.get(projectId, from)
      for (const { day, logicalBytes } of sum.all(projectId, from, end?.at ?? endOfTime))
        days.set(day, (days.get(day) ?? 0) + logicalBytes)
      if (end === undefined) return [...days].map(([day, logicalBytes]) => ({ day, logicalBytes }))
      from = end.at + 1
      await turn()
    }
  }
}
