/** Tables of tokens that are void before their end, and of those that the server has minted and that last, to be listed. None is
 *  needed to check a token: that carries what it grants. */
import { index, integer, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'

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

export const mintedTokens = sqliteTable(
  'minted_tokens',
  {
    number: integer('number').primaryKey({ autoIncrement: true }),
    id: text('id').notNull(),
    /** Null for an administrator's. */
    project: text('project'),
    scope: text('scope').notNull(),
    run: integer('run'),
    job: text('job'),
    isSession: integer('is_session', { mode: 'boolean' }).notNull(),
    mintedAt: integer('minted_at').notNull(),
    /** What a project's token mints is as old as that. */
    issuedAt: integer('issued_at').notNull(),
    endsAt: integer('ends_at').notNull(),
    /** JSON: its id, and those of the tokens that it came of. */
    lineage: text('lineage', { mode: 'json' }).$type<string[]>().notNull(),
    /** JSON. */
    mintedBy: text('minted_by', { mode: 'json' }).$type<object>().notNull(),
  },
  (table) => [
    uniqueIndex('minted_tokens_id').on(table.id),
    index('minted_tokens_project').on(table.project, table.number),
    index('minted_tokens_end').on(table.endsAt),
  ],
)
