/** Projects: created when uploads name them, and what is kept as the latest of each. */
import { isDeepStrictEqual } from 'node:util'
import { eq, isNull, sql } from 'drizzle-orm'
import { projects, runs, store, totals } from '../../../../schema/runs.ts'
import type { ProjectPolicy } from '../../../core/policy/project-policy.ts'
import type { ProjectName } from '../../../core/run/run.ts'
import type { Author, Metadata, Project, SizedProject } from '../../metadata.ts'
import type { Latest } from '../artifacts/latest.ts'
import type { AuditLog } from '../audit/audit-log.ts'
import type { Connection } from '../connection/connection.ts'
import { isUsedRun } from './used-run.ts'

type ProjectMethods = Pick<
  Metadata,
  'ensureProject' | 'findProject' | 'listProjects' | 'setProjectPolicy' | 'setKeepLatest'
>

export interface ProjectRows {
  find(name: ProjectName): Project | undefined
  /** Finds or creates. */
  ensure(name: ProjectName, now: number): Project
}

export function createProjectRows({ orm, write }: Connection): ProjectRows {
  const query = orm
    .select()
    .from(projects)
    .where(eq(projects.ownerRepo, sql.placeholder('name')))
    .prepare()
  const find = (name: ProjectName): Project | undefined => {
    const row = query.get({ name })
    return row && toProject(row)
  }
  const create = (name: ProjectName, now: number): Project =>
    write(() => {
      const existing = find(name)
      if (existing) return existing
      // Not RETURNING: it makes SQLite search for rows that refer to the new one, and nearly all
      // tables refer to projects.
      orm.insert(projects).values({ ownerRepo: name, createdAt: now }).run()
      const project = find(name)!
      orm.insert(totals).values({ scope: project.id }).run()
      return project
    })
  return { find, ensure: (name, now) => find(name) ?? create(name, now) }
}

export function createProjectMethods(
  connection: Connection,
  rows: ProjectRows,
  { latest, audit }: { latest: Latest; audit: AuditLog },
): ProjectMethods {
  const { orm, prepare, write } = connection
  const keeping = createLatestKeeping(connection, latest)
  const list = prepare<[after: number, limit: number], SizedProject>(
    `SELECT p.id, p.owner_repo AS name, p.created_at AS createdAt, t.artifacts, t.files,
       t.logical_bytes AS logicalBytes, t.chunk_bytes AS chunkBytes
     FROM projects p CROSS JOIN totals t ON t.scope = p.id
     WHERE p.owner_repo > coalesce((SELECT l.owner_repo FROM projects l WHERE l.id = ?), '')
       AND (${isUsedProject})
     ORDER BY p.owner_repo LIMIT ?`,
  )
  /** Inside a transaction, before the change. Settings that keep their value are not recorded. */
  const recordPolicy = (id: number, policy: Partial<ProjectPolicy>, author?: Author): void => {
    const project = toProject(orm.select().from(projects).where(eq(projects.id, id)).get()!)
    const changed = (Object.keys(policy) as (keyof ProjectPolicy)[]).filter(
      (name) => !isDeepStrictEqual(project[name], policy[name]),
    )
    if (changed.length === 0) return
    const pick = (from: Partial<ProjectPolicy>): Partial<ProjectPolicy> =>
      Object.fromEntries(changed.map((name) => [name, from[name]]))
    const details = { before: pick(project), after: pick(policy) }
    audit.record(author, { kind: 'settings', project: project.name, details })
  }
  return {
    ensureProject: async (name, now) => rows.ensure(name, now),
    findProject: async (name) => rows.find(name),
    listProjects: async ({ after, limit }) => list.all(after, limit),
    setProjectPolicy: async (projectId, policy, now, author) => {
      if (Object.keys(policy).length === 0) return
      const settles = policy.keepLatest !== undefined
      write(() => {
        recordPolicy(projectId, policy, author)
        setProject(orm, projectId, { ...policy, ...(settles && { isLatestSettled: false }) })
      })
      if (settles) await keeping.settle(projectId, now)
    },
    setKeepLatest: keeping.setDefault,
  }
}

/** Updates which artifacts are kept as the latest, after the setting of a project or of the
 *  server has changed. */
function createLatestKeeping(
  { orm, write }: Connection,
  latest: Latest,
): {
  settle(projectId: number, now: number): Promise<void>
  setDefault: Metadata['setKeepLatest']
} {
  const isStoreRow = eq(store.id, 1)
  /** The newest running update of each project. */
  const settling = new Map<number, symbol>()
  const settle = async (projectId: number, now: number): Promise<void> => {
    const own = Symbol('settling')
    settling.set(projectId, own)
    await latest.settleProject(projectId, now)
    // An update that began earlier may have applied the previous rule to a part.
    if (settling.get(projectId) !== own) return
    settling.delete(projectId)
    write(() => setProject(orm, projectId, { isLatestSettled: true }))
  }
  const unsettledRuns = (): { id: number }[] =>
    // A literal, because SQLite uses a partial index only for the exact terms of its definition.
    orm
      .select({ id: runs.id })
      .from(runs)
      .where(sql`${runs.isLatestSettled} = 0`)
      .all()
  const unsettledProjects = (): { id: number }[] =>
    orm.select({ id: projects.id }).from(projects).where(eq(projects.isLatestSettled, false)).all()
  const setDefault = async (keepLatest: string[], now: number): Promise<void> => {
    const before = orm.select().from(store).where(isStoreRow).get()!
    if (!isDeepStrictEqual(before.keepLatest, keepLatest)) {
      write(() => {
        orm.update(store).set({ keepLatest }).where(isStoreRow).run()
        orm
          .update(projects)
          .set({ isLatestSettled: false })
          .where(isNull(projects.keepLatest))
          .run()
      })
    }
    // Also completes updates that an earlier process left unfinished, of projects and of runs
    // whose facts changed.
    for (const { id } of unsettledRuns()) await latest.moveRun(id, now)
    for (const { id } of unsettledProjects()) await settle(id, now)
  }
  return { settle, setDefault }
}

/** Each setting once, so that a new one is not forgotten. */
const settings = {
  onConflict: projects.onConflict,
  retentionDefaultMs: projects.retentionDefaultMs,
  retentionMinMs: projects.retentionMinMs,
  retentionMaxMs: projects.retentionMaxMs,
  quotaBytes: projects.quotaBytes,
  strict: projects.strict,
  keepLatest: projects.keepLatest,
} satisfies Record<keyof ProjectPolicy, unknown>

/** A project `p` is more than a row. One that is not was made for an upload that was refused, broke
 *  off or still goes on. */
const isUsedProject = [
  ...Object.values(settings).map(({ name }) => `p.${name} IS NOT NULL`),
  `EXISTS (SELECT 1 FROM runs r WHERE r.project_id = p.id AND ${isUsedRun('r')})`,
].join(' OR ')

function setProject(
  orm: Connection['orm'],
  id: number,
  values: Partial<typeof projects.$inferInsert>,
): void {
  orm.update(projects).set(values).where(eq(projects.id, id)).run()
}

function toProject({
  ownerRepo,
  isLatestSettled: _settled,
  ...row
}: typeof projects.$inferSelect): Project {
  return { ...row, name: ownerRepo as ProjectName }
}
