/** Tables of tokens that are void before their end. No others are kept: a token carries what it grants. */
import { index, integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'

export const revokedTokens = sqliteTable(
  'revoked_tokens',
  {
    id: text('id').primaryKey().notNull(),
    /** Null for an administrator's. */
    project: text('project'),
    isSession: integer('is_session', { mode: 'boolean' }).notNull(),
    issuedAt: integer('issued_at').notNull(),
    /** From then on it is void anyway, with whatever came of it. */
    endsAt: integer('ends_at').notNull(),
  },
  (table) => [
    index('revoked_tokens_project').on(table.project),
    index('revoked_tokens_end').on(table.endsAt),
  ],
)

/** All tokens of the project that were issued until then are void. */
export const revokedProjects = sqliteTable('revoked_projects', {
  project: text('project').primaryKey().notNull(),
  issuedUntil: integer('issued_until').notNull(),
})
