/** Table of acts: who took something away, or changed what others rely on. Rows are added and forgotten, never changed. */
import { index, integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'

export const auditLog = sqliteTable(
  'audit_log',
  {
    // Never one that was forgotten: artifacts name theirs.
    id: integer('id').primaryKey({ autoIncrement: true }),
    at: integer('at').notNull(),
    kind: text('kind').notNull(),
    /** Null for what is of no project. By name, since settings and tokens can be there before its first upload. */
    project: text('project'),
    /** JSON: ids of the artifacts that it was done to, as many as one transaction has. */
    artifactIds: text('artifact_ids', { mode: 'json' }).$type<number[]>().notNull(),
    /** JSON: what else there is to tell. */
    details: text('details', { mode: 'json' }).$type<object>().notNull(),
    /** JSON; null: whoever had the token that was revoked. */
    actor: text('actor', { mode: 'json' }).$type<object>(),
  },
  (table) => [
    index('audit_log_project').on(table.project, table.id),
    index('audit_log_at').on(table.at),
  ],
)
