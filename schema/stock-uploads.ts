/** Table of uploads by stock clients. */
import { sql } from 'drizzle-orm'
import { blob, index, integer, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'
import { artifacts } from './artifacts.ts'
import { projects, runs } from './runs.ts'

export const uploadState = { open: 0, assembled: 1, done: 2 } as const

export const uploads = sqliteTable(
  'uploads',
  {
    serial: integer('serial').primaryKey({ autoIncrement: true }),
    id: text('id').notNull(),
    projectId: integer('project_id')
      .notNull()
      .references(() => projects.id),
    runId: integer('run_id')
      .notNull()
      .references(() => runs.id),
    job: text('job').notNull(),
    name: text('name').notNull(),
    mimeType: text('mime_type'),
    requestedExpiresAt: integer('requested_expires_at'),
    state: integer('state').notNull(),
    blockListDigest: blob('block_list_digest', { mode: 'buffer' }),
    contentType: text('content_type'),
    sizeBytes: integer('size_bytes'),
    artifactId: integer('artifact_id').references(() => artifacts.id),
    createdAt: integer('created_at').notNull(),
  },
  (table) => [
    uniqueIndex('uploads_id').on(table.id),
    index('uploads_by_name').on(table.runId, table.name, table.serial),
    index('uploads_by_artifact').on(table.artifactId),
    index('uploads_unfinished')
      .on(table.createdAt)
      .where(sql`state < 2`),
  ],
)
