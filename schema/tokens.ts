/** Tables of tokens that are void before they end, of tokens that the server has minted and that
 *  have not ended, and of people who signed in. Minted tokens are only listed: checking a token
 *  does not need its row, because the token itself says what it grants. */
import { sql } from 'drizzle-orm'
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
    /** Whose revocations these count as, where no project has them: a person, or the token for
     *  several projects that it is or descends from. */
    holder: text('holder'),
  },
  (table) => [
    index('revoked_tokens_project').on(table.project, table.holder),
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
    /** The person whose token or session it is. */
    personId: text('person_id'),
  },
  (table) => [
    uniqueIndex('minted_tokens_id').on(table.id),
    index('minted_tokens_project').on(table.project, table.number),
    index('minted_tokens_end').on(table.endsAt),
    index('minted_tokens_person')
      .on(table.personId, table.number)
      .where(sql`person_id IS NOT NULL`),
  ],
)

export const people = sqliteTable(
  'people',
  {
    id: text('id').primaryKey().notNull(),
    name: text('name').notNull(),
    /** JSON: the left-hand sides of the rules that their claims matched the last time. */
    rules: text('rules', { mode: 'json' }).$type<string[]>().notNull(),
    signedInAt: integer('signed_in_at').notNull(),
  },
  (table) => [index('people_signed_in').on(table.signedInAt)],
)
