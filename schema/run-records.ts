/** Tables of run records. */
import {
  blob,
  index,
  integer,
  primaryKey,
  sqliteTable,
  text,
  uniqueIndex,
} from 'drizzle-orm/sqlite-core'
import { runs } from './runs.ts'

const conclusions = ['success', 'failure', 'cancelled', 'skipped'] as const

export const runRecords = sqliteTable(
  'run_records',
  {
    runId: integer('run_id')
      .primaryKey()
      .references(() => runs.id, { onDelete: 'cascade' }),
    recording: text('recording').notNull(),
    nextSequence: integer('next_sequence').notNull(),
    conclusion: text('conclusion', { enum: conclusions }),
    startedAt: integer('started_at'),
    durationMs: integer('duration_ms'),
    updatedAt: integer('updated_at').notNull(),
    rowCount: integer('row_count').notNull(),
    logBytes: integer('log_bytes').notNull(),
    /** The job whose token began the record; null for a token without a job. */
    job: text('job'),
  },
  (table) => [index('run_records_by_update').on(table.updatedAt)],
)

export const runJobs = sqliteTable(
  'run_jobs',
  {
    id: integer('id').primaryKey({ autoIncrement: true }),
    runId: integer('run_id')
      .notNull()
      .references(() => runRecords.runId, { onDelete: 'cascade' }),
    key: text('key').notNull(),
    job: text('job').notNull(),
    name: text('name').notNull(),
    conclusion: text('conclusion', { enum: conclusions }),
    startedAt: integer('started_at'),
    durationMs: integer('duration_ms'),
    logBytes: integer('log_bytes').notNull(),
    logLines: integer('log_lines').notNull(),
    logCut: integer('log_cut', { mode: 'boolean' }).notNull(),
    summaryBytes: integer('summary_bytes').notNull().default(0),
  },
  (table) => [uniqueIndex('run_jobs_key').on(table.runId, table.key)],
)

export const runSteps = sqliteTable(
  'run_steps',
  {
    jobId: integer('job_id')
      .notNull()
      .references(() => runJobs.id, { onDelete: 'cascade' }),
    number: integer('number').notNull(),
    name: text('name').notNull(),
    conclusion: text('conclusion', { enum: conclusions }),
    startedAt: integer('started_at'),
    durationMs: integer('duration_ms'),
  },
  (table) => [primaryKey({ columns: [table.jobId, table.number] })],
)

export const logPages = sqliteTable(
  'log_pages',
  {
    jobId: integer('job_id')
      .notNull()
      .references(() => runJobs.id, { onDelete: 'cascade' }),
    page: integer('page').notNull(),
    textBytes: integer('text_bytes').notNull(),
    bytes: blob('bytes', { mode: 'buffer' }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.jobId, table.page] })],
)

export const annotations = sqliteTable(
  'annotations',
  {
    jobId: integer('job_id')
      .notNull()
      .references(() => runJobs.id, { onDelete: 'cascade' }),
    number: integer('number').notNull(),
    step: integer('step').notNull(),
    level: text('level', { enum: ['error', 'warning', 'notice'] }).notNull(),
    message: text('message').notNull(),
    title: text('title'),
    file: text('file'),
    line: integer('line'),
    endLine: integer('end_line'),
    column: integer('column'),
    endColumn: integer('end_column'),
  },
  (table) => [primaryKey({ columns: [table.jobId, table.number] })],
)

export const summaryPages = sqliteTable(
  'summary_pages',
  {
    jobId: integer('job_id')
      .notNull()
      .references(() => runJobs.id, { onDelete: 'cascade' }),
    step: integer('step').notNull(),
    page: integer('page').notNull(),
    textBytes: integer('text_bytes').notNull(),
    isCut: integer('is_cut', { mode: 'boolean' }).notNull(),
    bytes: blob('bytes', { mode: 'buffer' }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.jobId, table.step, table.page] })],
)
