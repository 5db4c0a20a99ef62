/** Tables of tokens that are void before their end. No others are kept: a token carries what it grants. */
import { index, integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'

export const revokedTokens = sqliteTable(
  'revoked_tokens',
  {
    id: text('id').primaryKey().notNull(),
    /** Null for an administrator's. */
    project: text('project'),
    expiresAt: integer('expires_at').notNull(),
  },
  (table) => [
    index('revoked_tokens_project').on(table.project),
    index('revoked_tokens_end').on(table.expiresAt),
  ],
)

/** All tokens of the project that were issued until then are void. */
export const revokedProjects = sqliteTable('revoked_projects', {
  project: text('project').primaryKey().notNull(),
  issuedUntil: integer('issued_until').notNull(),
})
