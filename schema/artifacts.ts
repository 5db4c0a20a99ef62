/** Tables of artifacts: manifests and their references, skeletons and times, and read leases. */
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
import { blobs, streams } from './content.ts'
import { projects, runs } from './runs.ts'

export const manifestState = { staged: 0, live: 1, retired: 2, dying: 3, emptied: 4 } as const

export const manifests = sqliteTable(
  'manifests',
  {
    id: integer('id').primaryKey({ autoIncrement: true }),
    projectId: integer('project_id')
      .notNull()
      .references(() => projects.id),
    treeDigest: blob('tree_digest', { mode: 'buffer' }).notNull(),
    entryCount: integer('entry_count').notNull(),
    fileCount: integer('file_count').notNull(),
    logicalBytes: integer('logical_bytes').notNull(),
    state: integer('state').notNull(),
    /** The session that stages it; null once it is published. */
    sessionId: integer('session_id'),
    pageCount: integer('page_count').notNull(),
    stagedEntries: integer('staged_entries').notNull(),
    /** Bytes that a staged manifest has added so far to `unique_bytes` of the store and of the
     *  project. */
    freshBytes: integer('fresh_bytes').notNull(),
    projectFreshBytes: integer('project_fresh_bytes').notNull(),
    /** Version of the rules with which it was last scanned for secrets; 0 before the first scan. */
    secretRules: integer('secret_rules').notNull().default(0),
    /** Files skipped by that scan because they were too large or too many. */
    secretsPassedOver: integer('secrets_passed_over').notNull().default(0),
  },
  (table) => [
    uniqueIndex('manifests_live')
      .on(table.projectId, table.treeDigest)
      .where(sql`state = 1`),
    index('manifests_staged')
      .on(table.sessionId)
      .where(sql`state = 0`),
    index('manifests_dying')
      .on(table.id)
      .where(sql`state = 3`),
    // In the database `id` is descending: newest first.
    index('manifests_unlooked')
      .on(table.secretRules, table.id)
      .where(sql`state IN (1, 2)`),
  ],
)

export const manifestPages = sqliteTable(
  'manifest_pages',
  {
    manifestId: integer('manifest_id')
      .notNull()
      .references(() => manifests.id),
    page: integer('page').notNull(),
    entryCount: integer('entry_count').notNull(),
    firstPath: blob('first_path', { mode: 'buffer' }).notNull(),
    lastPath: blob('last_path', { mode: 'buffer' }).notNull(),
    bytes: blob('bytes', { mode: 'buffer' }).notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.manifestId, table.page] }),
    index('manifest_pages_by_path').on(table.manifestId, table.firstPath),
  ],
)

export const references = sqliteTable(
  'references',
  {
    manifestId: integer('manifest_id')
      .notNull()
      .references(() => manifests.id),
    blobId: integer('blob_id')
      .notNull()
      .references(() => blobs.id),
    projectId: integer('project_id').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.manifestId, table.blobId] }),
    index('references_by_blob').on(table.blobId, table.projectId),
  ],
)

export const artifacts = sqliteTable(
  'artifacts',
  {
    id: integer('id').primaryKey({ autoIncrement: true }),
    projectId: integer('project_id')
      .notNull()
      .references(() => projects.id),
    runId: integer('run_id')
      .notNull()
      .references(() => runs.id),
    job: text('job').notNull(),
    name: text('name').notNull(),
    state: text('state', { enum: ['available', 'damaged', 'expired', 'deleted'] }).notNull(),
    kind: text('kind', { enum: ['exact', 'opaque', 'raw', 'tree'] }).notNull(),
    mimeType: text('mime_type').notNull(),
    fileName: text('file_name'),
    opaqueReason: text('opaque_reason'),
    manifestId: integer('manifest_id')
      .notNull()
      .references(() => manifests.id),
    contentId: integer('content_id'),
    zipDigest: blob('zip_digest', { mode: 'buffer' }),
    zipBytes: integer('zip_bytes').notNull(),
    tarGzBytes: integer('tar_gz_bytes').notNull(),
    newBytes: integer('new_bytes').notNull(),
    logicalBytes: integer('logical_bytes').notNull(),
    createdAt: integer('created_at').notNull(),
    expiresAt: integer('expires_at').notNull(),
    pinned: integer('pinned', { mode: 'boolean' }).notNull(),
    /** `expiresAt`, or the end of time while pinned or kept as the latest. */
    endsAt: integer('ends_at').notNull(),
    /** Null exactly while the artifact is live. */
    removedAt: integer('removed_at'),
    removedReason: text('removed_reason'),
    version: integer('version').notNull(),
    /** Null while live, and once its rows are released. */
    releasableAt: integer('releasable_at'),
    /** The branch of which it can be the latest; null when the branch is unknown or the run
     *  belongs to a pull request. */
    latestOf: text('latest_of'),
    /** It is the latest there, and the project keeps it. */
    keptLatest: integer('kept_latest', { mode: 'boolean' }).notNull().default(false),
    /** Id in the audit log, which may have deleted that act; null where nobody removed the
     *  artifact. */
    removedAct: integer('removed_act'),
    /** Size of each page of entries in its zip (egress/zip/zip-layout.ts). */
    zipPages: blob('zip_pages', { mode: 'buffer' }),
  },
  (table) => [
    uniqueIndex('artifacts_held_name')
      .on(table.runId, table.name)
      .where(sql`removed_at IS NULL`),
    index('artifacts_by_run').on(table.runId, table.id),
    index('artifacts_live')
      .on(table.projectId, table.id)
      .where(sql`removed_at IS NULL`),
    // What makes an artifact live is part of it, so that those of a name are counted from it alone.
    index('artifacts_by_name').on(
      table.projectId,
      table.name,
      table.id,
      table.removedAt,
      table.endsAt,
    ),
    index('artifacts_by_time').on(table.projectId, table.createdAt, table.logicalBytes),
    index('artifacts_by_manifest').on(table.manifestId),
    index('artifacts_holding')
      .on(table.manifestId, table.releasableAt)
      .where(sql`removed_at IS NULL OR releasable_at IS NOT NULL`),
    index('artifacts_by_content').on(table.contentId),
    index('artifacts_latest')
      .on(table.projectId, table.name, table.latestOf, table.id)
      .where(sql`latest_of IS NOT NULL`),
    index('artifacts_kept_latest')
      .on(table.projectId, table.name, table.latestOf)
      .where(sql`removed_at IS NULL AND kept_latest = 1`),
    index('artifacts_ending')
      .on(table.endsAt, table.id)
      .where(sql`removed_at IS NULL`),
    index('artifacts_uncleared')
      .on(table.id)
      .where(sql`removed_at IS NOT NULL AND releasable_at IS NULL AND content_id IS NOT NULL`),
    index('artifacts_releasable')
      .on(table.releasableAt, table.id)
      .where(sql`releasable_at IS NOT NULL`),
    index('artifacts_removed')
      .on(table.removedAt)
      .where(sql`removed_at IS NOT NULL`),
    index('artifacts_gone')
      .on(table.projectId, table.id)
      .where(sql`removed_at IS NOT NULL`),
    index('artifacts_damaged')
      .on(table.id)
      .where(sql`state = 'damaged'`),
  ],
)

/** A download, fetch or backup in progress, and the artifact it reads; null when it reads across
 *  artifacts. */
export const readLeases = sqliteTable(
  'read_leases',
  {
    id: integer('id').primaryKey({ autoIncrement: true }),
    artifactId: integer('artifact_id').references(() => artifacts.id),
    startedAt: integer('started_at').notNull(),
    until: integer('until').notNull(),
  },
  (table) => [
    index('read_leases_by_artifact').on(table.artifactId, table.until),
    index('read_leases_by_end').on(table.until),
  ],
)

export const artifactTimes = sqliteTable(
  'artifact_times',
  {
    contentId: integer('content_id').notNull(),
    page: integer('page').notNull(),
    bytes: blob('bytes', { mode: 'buffer' }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.contentId, table.page] })],
)

export const skeletonPages = sqliteTable(
  'skeleton_pages',
  {
    contentId: integer('content_id').notNull(),
    page: integer('page').notNull(),
    localOffset: integer('local_offset').notNull(),
    centralOffset: integer('central_offset').notNull(),
    bytes: blob('bytes', { mode: 'buffer' }).notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.contentId, table.page] }),
    index('skeleton_pages_by_local').on(table.contentId, table.localOffset, table.page),
    index('skeleton_pages_by_central').on(table.contentId, table.centralOffset, table.page),
  ],
)

export const skeletonStreams = sqliteTable(
  'skeleton_streams',
  {
    contentId: integer('content_id').notNull(),
    streamId: integer('stream_id')
      .notNull()
      .references(() => streams.id),
  },
  (table) => [
    primaryKey({ columns: [table.contentId, table.streamId] }),
    index('skeleton_streams_by_stream').on(table.streamId),
  ],
)
