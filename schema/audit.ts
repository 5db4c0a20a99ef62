/** Table of acts: who removed something, or changed what others rely on. Rows are added and
 *  deleted, never changed. */
import { index, integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'

export const auditLog = sqliteTable(
  'audit_log',
  {
    // Ids are never reused, since artifacts refer to them.
    id: integer('id').primaryKey({ autoIncrement: true }),
    at: integer('at').notNull(),
    kind: text('kind').notNull(),
    /** Null for acts that belong to no project. A name, since settings and tokens can precede
     *  the first upload. */
    project: text('project'),
    /** JSON: ids of the artifacts the act applied to, as many as one transaction has. */
    artifactIds: text('artifact_ids', { mode: 'json' }).$type<number[]>().notNull(),
    /** JSON: further facts. */
    details: text('details', { mode: 'json' }).$type<object>().notNull(),
    /** JSON; null: the holder of the token being revoked. */
    actor: text('actor', { mode: 'json' }).$type<object>(),
  },
  (table) => [
    index('audit_log_project').on(table.project, table.id),
    index('audit_log_at').on(table.at),
  ],
)
