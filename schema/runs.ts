/** Tables of projects, runs, and sums over them. */
import { sql } from 'drizzle-orm'
import { index, integer, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'

export const projects = sqliteTable(
  'projects',
  {
    id: integer('id').primaryKey({ autoIncrement: true }),
    ownerRepo: text('owner_repo').notNull(),
    onConflict: text('on_conflict', { enum: ['reject', 'replace'] }),
    createdAt: integer('created_at').notNull(),
    retentionDefaultMs: integer('retention_default_ms'),
    retentionMinMs: integer('retention_min_ms'),
    retentionMaxMs: integer('retention_max_ms'),
    quotaBytes: integer('quota_bytes'),
    strict: integer('strict', { mode: 'boolean' }),
    keepLatest: text('keep_latest', { mode: 'json' }).$type<string[]>(),
    /** False from a change of its keep-latest rule until its artifacts are updated accordingly. */
    isLatestSettled: integer('is_latest_settled', { mode: 'boolean' }).notNull().default(true),
    /** Open stock and native uploads, counted by triggers. */
    openUploads: integer('open_uploads').notNull().default(0),
  },
  (table) => [uniqueIndex('projects_name').on(table.ownerRepo)],
)

export const runs = sqliteTable(
  'runs',
  {
    id: integer('id').primaryKey({ autoIncrement: true }),
    projectId: integer('project_id')
      .notNull()
      .references(() => projects.id),
    number: integer('number').notNull(),
    attempt: integer('attempt').notNull(),
    branch: text('branch'),
    sha: text('sha'),
    workflow: text('workflow'),
    event: text('event'),
    createdAt: integer('created_at').notNull(),
    /** When it was last uploaded to or reported on, to within `limits.runUseMs`. */
    usedAt: integer('used_at').notNull().default(0),
    /** False from a change of its facts until its artifacts are updated accordingly. */
    isLatestSettled: integer('is_latest_settled', { mode: 'boolean' }).notNull().default(true),
    ordinal: integer('ordinal'),
    pullRequest: integer('pull_request'),
    headSha: text('head_sha'),
    actor: text('actor'),
  },
  (table) => [
    uniqueIndex('runs_identity').on(table.number, table.projectId, table.attempt),
    index('runs_by_project').on(table.projectId, table.id),
    index('runs_by_branch').on(table.projectId, table.branch, table.id),
    index('runs_by_commit').on(table.projectId, sql`coalesce(head_sha, sha)`, table.id),
    index('runs_by_pull_request')
      .on(table.projectId, table.pullRequest, table.id)
      .where(sql`pull_request IS NOT NULL`),
    index('runs_unsettled')
      .on(table.id)
      .where(sql`is_latest_settled = 0`),
  ],
)

export const totals = sqliteTable('totals', {
  /** A project's id, or 0 for the whole store. */
  scope: integer('scope').primaryKey(),
  artifacts: integer('artifacts').notNull().default(0),
  files: integer('files').notNull().default(0),
  logicalBytes: integer('logical_bytes').notNull().default(0),
  uniqueBytes: integer('unique_bytes').notNull().default(0),
  chunkBytes: integer('chunk_bytes').notNull().default(0),
  storedBytes: integer('stored_bytes').notNull().default(0),
  packs: integer('packs').notNull().default(0),
  liveBytes: integer('live_bytes').notNull().default(0),
  /** Logical bytes of removed artifacts whose rows are still kept. */
  removedBytes: integer('removed_bytes').notNull().default(0),
  /** Bytes that the uploads of live artifacts added. */
  newBytes: integer('new_bytes').notNull().default(0),
})

/** Has a single row. */
export const store = sqliteTable('store', {
  id: integer('id').primaryKey(),
  /** When this database was created; 0 for one older than this table. */
  createdAt: integer('created_at').notNull(),
  /** The server's keep-latest rule, for projects without one of their own. */
  keepLatest: text('keep_latest', { mode: 'json' }).$type<string[]>().notNull().default([]),
  /** How often rollups have been corrected. */
  reconciliations: integer('reconciliations').notNull().default(0),
  /** The last believed time (lifecycle/clock-watch.ts). */
  believedAt: integer('believed_at'),
})
