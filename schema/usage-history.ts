/** Table of past usage. */
import { integer, primaryKey, sqliteTable } from 'drizzle-orm/sqlite-core'

export const usagePoints = sqliteTable(
  'usage_points',
  {
    /** A project's id, or 0 for the whole store. */
    scope: integer('scope').notNull(),
    /** When the hour (of the store) or day (of a project) began. */
    slot: integer('slot').notNull(),
    notedAt: integer('noted_at').notNull(),
    logicalBytes: integer('logical_bytes').notNull(),
    chunkBytes: integer('chunk_bytes').notNull(),
    storedBytes: integer('stored_bytes').notNull(),
  },
  (table) => [primaryKey({ columns: [table.scope, table.slot] })],
)
