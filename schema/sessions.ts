/** Tables of native uploads in progress: what they offer, and what they lease until they end. */
import { sql } from 'drizzle-orm'
import {
  blob,
  index,
  integer,
  primaryKey,
  sqliteTable,
  text,
  uniqueIndex,
} from 'drizzle-orm/sqlite-core'
import { manifests } from './artifacts.ts'
import { blobs } from './content.ts'
import { projects } from './runs.ts'

export const sessionState = { live: 0, committed: 1, aborted: 2 } as const

export const sessions = sqliteTable(
  'sessions',
  {
    id: integer('id').primaryKey({ autoIncrement: true }),
    name: text('name').notNull(),
    projectId: integer('project_id')
      .notNull()
      .references(() => projects.id),
    state: integer('state').notNull(),
    createdAt: integer('created_at').notNull(),
    leasedUntil: integer('leased_until').notNull(),
    /** Identifies the offer of a negotiated upload. */
    offer: blob('offer', { mode: 'buffer' }),
  },
  (table) => [
    uniqueIndex('sessions_name').on(table.name),
    index('sessions_by_lease').on(table.leasedUntil),
    uniqueIndex('sessions_by_offer')
      .on(table.offer)
      .where(sql`offer IS NOT NULL AND state = 0`),
  ],
)

export const offeredKind = { entries: 0, composites: 1, summary: 2, changes: 3 } as const

export const offeredPages = sqliteTable(
  'offered_pages',
  {
    sessionId: integer('session_id')
      .notNull()
      .references(() => sessions.id),
    kind: integer('kind').notNull(),
    page: integer('page').notNull(),
    bytes: blob('bytes', { mode: 'buffer' }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.sessionId, table.kind, table.page] })],
)

export const leases = sqliteTable(
  'leases',
  {
    sessionId: integer('session_id')
      .notNull()
      .references(() => sessions.id),
    blobId: integer('blob_id')
      .notNull()
      .references(() => blobs.id),
  },
  (table) => [
    primaryKey({ columns: [table.sessionId, table.blobId] }),
    index('leases_by_blob').on(table.blobId),
  ],
)

export const manifestLeases = sqliteTable(
  'manifest_leases',
  {
    sessionId: integer('session_id')
      .notNull()
      .references(() => sessions.id),
    manifestId: integer('manifest_id')
      .notNull()
      .references(() => manifests.id),
    /** Changes are applied to the manifest; nothing measured is taken from it. */
    isBase: integer('is_base', { mode: 'boolean' }).notNull().default(false),
  },
  (table) => [
    primaryKey({ columns: [table.sessionId, table.manifestId] }),
    index('manifest_leases_by_manifest').on(table.manifestId),
  ],
)
