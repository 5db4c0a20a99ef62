/** Tables of tokens that are void before they end, and of tokens that the server has minted and
 *  that have not ended. The latter are only listed: checking a token does not need its row, because
 *  the token itself says what it grants. */
import { index, integer, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'

export const revokedTokens = sqliteTable(
  'revoked_tokens',
  {
    id: text('id').primaryKey().notNull(),
    /** Null for an administrator's token. */
    project: text('project'),
    isSession: integer('is_session', { mode: 'boolean' }).notNull(),
    issuedAt: integer('issued_at').notNull(),
    /** When it and every token derived from it end anyway. */
    endsAt: integer('ends_at').notNull(),
  },
  (table) => [
    index('revoked_tokens_project').on(table.project),
    index('revoked_tokens_end').on(table.endsAt),
  ],
)

/** All tokens of the project issued at `issuedUntil` or before are void. */
export const revokedProjects = sqliteTable('revoked_projects', {
  project: text('project').primaryKey().notNull(),
  issuedUntil: integer('issued_until').notNull(),
})

export const mintedTokens = sqliteTable(
  'minted_tokens',
  {
    number: integer('number').primaryKey({ autoIncrement: true }),
    id: text('id').notNull(),
    /** Null for an administrator's token, and for one of several projects. */
    project: text('project'),
    scope: text('scope').notNull(),
    run: integer('run'),
    job: text('job'),
    isSession: integer('is_session', { mode: 'boolean' }).notNull(),
    mintedAt: integer('minted_at').notNull(),
    /** A token that was minted by a project's token has the `issuedAt` of that token. */
    issuedAt: integer('issued_at').notNull(),
    endsAt: integer('ends_at').notNull(),
    /** JSON: its id, and the ids of the tokens it derives from. */
    lineage: text('lineage', { mode: 'json' }).$type<string[]>().notNull(),
    /** JSON. */
    mintedBy: text('minted_by', { mode: 'json' }).$type<object>().notNull(),
    /** JSON: the projects of a token for several. */
    access: text('access', { mode: 'json' })
      .$type<{ scope: 'read' | 'write'; projects: string }[]>()
      .notNull()
      .default([]),
  },
  (table) => [
    uniqueIndex('minted_tokens_id').on(table.id),
    index('minted_tokens_project').on(table.project, table.number),
    index('minted_tokens_end').on(table.endsAt),
  ],
)
