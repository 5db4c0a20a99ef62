/** The audit log: one row per transaction that performs somebody's act, written by that
 *  transaction, so that neither exists without the other. */
import { type SQL, and, desc, gte, sql } from 'drizzle-orm'
import { auditLog } from '../../../../schema/audit.ts'
import type { ActKind, Actor } from '../../../core/audit.ts'
import { limits } from '../../../core/limits.ts'
import type { ProjectName } from '../../../core/run/run.ts'
import type { Act, ActDetails, AuditMetadata, Author, NewAct } from '../../metadata.ts'
import { equals, given, plain } from '../connection/conditions.ts'
import type { Connection } from '../connection/connection.ts'
import { inStretches } from '../connection/stretches.ts'

/** Both methods run inside a transaction, and do nothing when `author` is undefined. */
export interface AuditLog {
  record(author: Author | undefined, act: NewAct): void
  /** Records one act per project of the artifacts. */
  recordOf(
    artifactIds: number[],
    author: Author | undefined,
    act: { kind: ActKind; details?: ActDetails },
  ): void
}

/** Acts that leave tombstones, which refer to the act. */
const removing: ReadonlySet<ActKind> = new Set<ActKind>(['delete', 'replace'])

export function createAuditLog({ orm, prepare }: Connection): AuditLog {
  const insert = (author: Author, { kind, project, details = {} }: NewAct, artifactIds: number[]) =>
    orm
      .insert(auditLog)
      .values({ at: author.at, kind, project, artifactIds, details, actor: author.by })
      .returning({ id: auditLog.id })
      .get().id
  const byProject = prepare<[string], { project: ProjectName; ids: string }>(
    `SELECT p.owner_repo AS project, json_group_array(a.id) AS ids
     FROM json_each(?) j JOIN artifacts a ON a.id = j.value JOIN projects p ON p.id = a.project_id
     GROUP BY a.project_id`,
  )
  const name = prepare<[number, string]>(
    'UPDATE artifacts SET removed_act = ? WHERE id IN (SELECT j.value FROM json_each(?) j)',
  )
  return {
    record: (author, act) => {
      if (author !== undefined) insert(author, act, [])
    },
    recordOf: (artifactIds, author, act) => {
      if (author === undefined || artifactIds.length === 0) return
      for (const { project, ids } of byProject.all(JSON.stringify(artifactIds))) {
        const id = insert(author, { ...act, project }, JSON.parse(ids) as number[])
        if (removing.has(act.kind)) name.run(id, ids)
      }
    },
  }
}

export function createAuditMethods(connection: Connection, log: AuditLog): AuditMetadata {
  const { prepare, write, stageInSteps } = connection
  const purge = prepare<[number, number]>('DELETE FROM audit_log WHERE at <= ? ORDER BY at LIMIT ?')
  return {
    recordAct: async (author, act) => {
      write(() => log.record(author, act))
    },
    listActs: createActList(connection),
    purgeActs: async (by, limit) => {
      let purged = 0
      await stageInSteps(() => {
        const { changes } = purge.run(by, Math.min(purgeBatch, limit - purged))
        purged += changes
        return changes > 0 && purged < limit
      })
      return purged
    },
  }
}

const purgeBatch = 50

function createActList(connection: Connection): AuditMetadata['listActs'] {
  const { orm } = connection
  const withNames = createNaming(connection)
  return async ({ project, kind, since, artifactId, tokenId }, { limit, before }) => {
    const isMatch = and(
      equals(auditLog.kind, kind),
      given(since, (at) => gte(plain(auditLog.at), at)),
      given(
        artifactId,
        (id) => sql`${id} IN (SELECT j.value FROM json_each(${auditLog.artifactIds}) j)`,
      ),
      given(tokenId, (start) => {
        const begins = (id: SQL): SQL => sql`substr(${id}, 1, ${start.length}) = ${start}`
        return sql`(EXISTS (SELECT 1 FROM json_each(${auditLog.actor}, '$.tokenIds') j WHERE ${begins(sql`j.value`)})
          OR ${begins(sql`json_extract(${auditLog.details}, '$.token.id')`)})`
      }),
    )
    const found: (typeof auditLog.$inferSelect)[] = []
    await inStretches(connection, {
      table: auditLog,
      index: equals(auditLog.project, project),
      direction: 'down',
      after: before,
      visit: (stretch) => {
        const rows = orm
          .select()
          .from(auditLog)
          .where(and(stretch, isMatch))
          .orderBy(desc(auditLog.id))
          .limit(limit - found.length)
          .all()
        found.push(...rows)
        return found.length < limit
      },
    })
    return withNames(found)
  }
}

function createNaming({ prepare }: Connection): (rows: (typeof auditLog.$inferSelect)[]) => Act[] {
  const named = prepare<[string], Act['artifacts'][number]>(
    `SELECT a.id, a.name, r.number AS run
     FROM json_each(?) j JOIN artifacts a ON a.id = j.value JOIN runs r ON r.id = a.run_id`,
  )
  return (rows) => {
    const firstOf = ({ artifactIds }: { artifactIds: number[] }): number[] =>
      artifactIds.slice(0, limits.auditNamesMax)
    const ids = new Set(rows.flatMap(firstOf))
    const known = new Map(named.all(JSON.stringify([...ids])).map((each) => [each.id, each]))
    return rows.map(({ actor, ...row }) => ({
      ...row,
      kind: row.kind as ActKind,
      project: row.project as ProjectName | null,
      details: row.details as ActDetails,
      by: actor as Actor | null,
      artifacts: firstOf(row).flatMap((id) => known.get(id) ?? []),
    }))
  }
}
