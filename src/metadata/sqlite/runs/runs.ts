/** Projects and runs: found or created when uploads name them. */
import { isDeepStrictEqual } from 'node:util'
import { and, asc, desc, eq, sql } from 'drizzle-orm'
import { projects, runs, store, totals } from '../../../../schema/runs.ts'
import { limits } from '../../../core/limits.ts'
import type { ProjectPolicy } from '../../../core/project-policy.ts'
import { factNames, type ProjectName, type RunFacts } from '../../../core/run.ts'
import type { Asked, Metadata, Project } from '../../metadata.ts'
import type { AuditLog } from '../audit/audit-log.ts'
import type { Connection } from '../connection/connection.ts'
import type { Latest } from '../artifacts/latest.ts'
import { createRunList, createRunOfJob, type FoundRun, toRun } from './run-list.ts'

type RunMethods = Pick<
  Metadata,
  | 'ensureProject'
  | 'findProject'
  | 'listProjects'
  | 'setProjectPolicy'
  | 'setKeepLatest'
  | 'ensureRun'
  | 'findRun'
  | 'findRunOfJob'
  | 'listRuns'
  | 'purgeRuns'
>

/** Runs examined per step of the purge. */
const purgeBatch = 50

export function createRunMethods(
  connection: Connection,
  latest: Latest,
  audit: AuditLog,
): RunMethods {
  const { orm, write } = connection
  const byName = (name: ProjectName): Project | undefined => {
    const row = orm.select().from(projects).where(eq(projects.ownerRepo, name)).get()
    return row && toProject(row)
  }

  const allProjects = (): (typeof projects.$inferSelect)[] =>
    orm.select().from(projects).orderBy(asc(projects.ownerRepo)).all()

  const createProject = (name: ProjectName, now: number): Project =>
    write(() => {
      const existing = byName(name)
      if (existing) return existing
      // Not RETURNING: it makes SQLite search for rows that refer to the new one, and nearly all
      // tables refer to projects.
      orm.insert(projects).values({ ownerRepo: name, createdAt: now }).run()
      const project = byName(name)!
      orm.insert(totals).values({ scope: project.id }).run()
      return project
    })

  const findRow = (projectId: number, number: number, attempt?: number): FoundRun | undefined => {
    const identity = and(
      eq(runs.number, number),
      eq(runs.projectId, projectId),
      attempt === undefined ? undefined : eq(runs.attempt, attempt),
    )
    const query = orm.select().from(runs).innerJoin(projects, eq(projects.id, runs.projectId))
    return query.where(identity).orderBy(desc(runs.attempt)).limit(1).get()
  }

  const unsettledRuns = (): { id: number }[] =>
    // A literal, because SQLite uses a partial index only for the exact terms of its definition.
    orm
      .select({ id: runs.id })
      .from(runs)
      .where(sql`${runs.isLatestSettled} = 0`)
      .all()
  const isStoreRow = eq(store.id, 1)
  const setProject = (id: number, values: Partial<typeof projects.$inferInsert>): void => {
    write(() => orm.update(projects).set(values).where(eq(projects.id, id)).run())
  }
  /** Inside a transaction, before the change. Settings that keep their value are not recorded. */
  const recordPolicy = (
    id: number,
    policy: Partial<ProjectPolicy>,
    asked: Asked | undefined,
  ): void => {
    const project = toProject(orm.select().from(projects).where(eq(projects.id, id)).get()!)
    const changed = (Object.keys(policy) as (keyof ProjectPolicy)[]).filter(
      (name) => !isDeepStrictEqual(project[name], policy[name]),
    )
    if (changed.length === 0) return
    const pick = (from: Partial<ProjectPolicy>): Partial<ProjectPolicy> =>
      Object.fromEntries(changed.map((name) => [name, from[name]]))
    const details = { before: pick(project), after: pick(policy) }
    audit.record(asked, { kind: 'settings', project: project.name, details })
  }
  /** The newest running update of each project. */
  const settling = new Map<number, symbol>()
  const settleLatest = async (projectId: number, now: number): Promise<void> => {
    const own = Symbol('settling')
    settling.set(projectId, own)
    await latest.settleProject(projectId, now)
    // An update that began earlier may have applied the previous rule to a part.
    if (settling.get(projectId) !== own) return
    settling.delete(projectId)
    setProject(projectId, { isLatestSettled: true })
  }

  return {
    ensureProject: async (name, now) => byName(name) ?? createProject(name, now),
    findProject: async (name) => byName(name),
    listProjects: async () => allProjects().map(toProject),
    setProjectPolicy: async (projectId, policy, now, asked) => {
      if (Object.keys(policy).length === 0) return
      const settles = policy.keepLatest !== undefined
      write(() => {
        recordPolicy(projectId, policy, asked)
        setProject(projectId, { ...policy, ...(settles && { isLatestSettled: false }) })
      })
      if (settles) await settleLatest(projectId, now)
    },
    setKeepLatest: async (keepLatest, now) => {
      const before = orm.select().from(store).where(isStoreRow).get()!
      if (!isDeepStrictEqual(before.keepLatest, keepLatest)) {
        write(() => {
          orm.update(store).set({ keepLatest }).where(isStoreRow).run()
          for (const { id, keepLatest: own } of allProjects())
            if (own === null) setProject(id, { isLatestSettled: false })
        })
      }
      // Also completes updates that an earlier process left unfinished, of projects and of runs
      // whose facts changed.
      for (const { id } of unsettledRuns()) await latest.moveRun(id, now)
      for (const { id, isLatestSettled } of allProjects())
        if (!isLatestSettled) await settleLatest(id, now)
    },
    ensureRun: async ({ project: name, number, attempt }, facts, now) => {
      const project = byName(name) ?? createProject(name, now)
      const found = findRow(project.id, number, attempt)
      const isMoving =
        found !== undefined && (addsFacts(found.runs, facts) || !found.runs.isLatestSettled)
      if (found && !isMoving && now - found.runs.usedAt < limits.runUseMs) return toRun(found)
      const run = write(() => {
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
    findRunOfJob: createRunOfJob(connection),
    listRuns: createRunList(connection),
    purgeRuns: createRunPurge(connection),
  }
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

function toProject({
  ownerRepo,
  isLatestSettled: _settled,
  ...row
}: typeof projects.$inferSelect): Project {
  return { ...row, name: ownerRepo as ProjectName }
}
