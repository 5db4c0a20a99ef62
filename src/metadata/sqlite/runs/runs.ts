/** Runs: found or created when uploads name them. */
import { and, desc, eq, sql } from 'drizzle-orm'
import { runJobs } from '../../../../schema/run-records.ts'
import { projects, runs } from '../../../../schema/runs.ts'
import { limits } from '../../../core/limits.ts'
import { factNames, type RunFacts } from '../../../core/run/run.ts'
import type { Metadata } from '../../metadata.ts'
import type { Connection } from '../connection/connection.ts'
import type { Latest } from '../artifacts/latest.ts'
import type { ProjectRows } from './projects.ts'
import { createRunList, type FoundRun, toRun } from './run-list.ts'
import { isUsedRun } from './used-run.ts'

type RunMethods = Pick<
  Metadata,
  'ensureRun' | 'findRun' | 'findRunOfJob' | 'listRuns' | 'purgeRuns'
>

/** Runs examined per step of the purge. */
const purgeBatch = 50

export function createRunMethods(
  connection: Connection,
  projectRows: ProjectRows,
  latest: Latest,
): RunMethods {
  const { orm, stage } = connection
  const findRow = createRowFinder(connection)
  return {
    ensureRun: async ({ project: name, number, attempt }, facts, now) => {
      const project = projectRows.ensure(name, now)
      const found = findRow(project.id, number, attempt)
      const isMoving =
        found !== undefined && (addsFacts(found.runs, facts) || !found.runs.isLatestSettled)
      if (found && !isMoving && now - found.runs.usedAt < limits.runUseMs) return toRun(found)
      // Durable with what is written for the run next: alone, nobody relies on it.
      const run = stage(() => {
        upsertRun(orm, {
          projectId: project.id,
          number,
          attempt,
          ...facts,
          createdAt: now,
          usedAt: now,
          isLatestSettled: !isMoving,
        })
        return toRun(findRow(project.id, number, attempt)!)
      })
      if (isMoving) await latest.moveRun(run.id, now)
      return run
    },
    findRun: async (projectId, number, attempt) => {
      const found = findRow(projectId, number, attempt)
      return found && toRun(found)
    },
    findRunOfJob: async (jobId) => {
      const query = orm.select({ runs, projects }).from(runJobs)
      const found = query
        .innerJoin(runs, eq(runs.id, runJobs.runId))
        .innerJoin(projects, eq(projects.id, runs.projectId))
        .where(eq(runJobs.id, jobId))
        .get()
      return found && toRun(found)
    },
    listRuns: createRunList(connection),
    purgeRuns: createRunPurge(connection),
  }
}

/** Returns a function that finds an attempt of a run, by default the last one that is used, or else
 *  the last one. */
function createRowFinder({
  orm,
}: Connection): (projectId: number, number: number, attempt?: number) => FoundRun | undefined {
  const isNumbered = and(
    eq(runs.number, sql.placeholder('number')),
    eq(runs.projectId, sql.placeholder('projectId')),
  )
  const select = () => orm.select().from(runs).innerJoin(projects, eq(projects.id, runs.projectId))
  const last = select()
    .where(isNumbered)
    .orderBy(desc(sql.raw(isUsedRun('runs'))), desc(runs.attempt))
    .limit(1)
    .prepare()
  const one = select()
    .where(and(isNumbered, eq(runs.attempt, sql.placeholder('attempt'))))
    .prepare()
  return (projectId, number, attempt) =>
    attempt === undefined
      ? last.get({ projectId, number })
      : one.get({ projectId, number, attempt })
}

function upsertRun(orm: Connection['orm'], values: typeof runs.$inferInsert): void {
  orm
    .insert(runs)
    .values(values)
    .onConflictDoUpdate({
      target: [runs.number, runs.projectId, runs.attempt],
      // Facts are set once: a known value stays, whatever a later caller claims.
      set: {
        ...Object.fromEntries(
          factNames.map((fact) => {
            const told = sql.raw(`excluded.${runs[fact].name}`)
            return [fact, sql`coalesce(${runs[fact]}, ${told})`]
          }),
        ),
        usedAt: sql`excluded.used_at`,
        isLatestSettled: sql`excluded.is_latest_settled`,
      },
    })
    .run()
}

/** Walks by id, the order of the runs in the index of artifacts too: a million runs that all
 *  stay take a second. */
function createRunPurge({ prepare, stageInSteps }: Connection): Metadata['purgeRuns'] {
  const findEnd = prepare<[after: number, count: number], { id: number | null }>(
    'SELECT max(id) AS id FROM (SELECT id FROM runs WHERE id > ? ORDER BY id LIMIT ?)',
  )
  const drop = prepare<[after: number, end: number, usedBy: number]>(
    `DELETE FROM runs WHERE id > ? AND id <= ? AND used_at <= ?
       AND NOT EXISTS (SELECT 1 FROM artifacts a WHERE a.run_id = runs.id)
       AND NOT EXISTS (SELECT 1 FROM uploads u WHERE u.run_id = runs.id)
       AND NOT EXISTS (SELECT 1 FROM run_records t WHERE t.run_id = runs.id)`,
  )
  return async (usedBy, { after, limit }) => {
    let last: number | null = after
    let seen = 0
    await stageInSteps(() => {
      const { id: end } = findEnd.get(last!, purgeBatch)!
      if (end !== null) drop.run(last!, end, usedBy)
      last = end
      seen += purgeBatch
      return last !== null && seen < limit
    })
    return last
  }
}

function addsFacts(run: FoundRun['runs'], facts: RunFacts): boolean {
  return factNames.some((fact) => run[fact] === null && facts[fact] !== null)
}
