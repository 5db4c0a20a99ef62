/** Tables of the SQLite metadata. The database itself is made by the reviewed SQL in `migrations/`, which also says what
 *  each column means; a parity test keeps these definitions equal to it. */
import { sql } from 'drizzle-orm'
import {
  type AnySQLiteColumn,
  blob,
  index,
  integer,
  primaryKey,
  sqliteTable,
  text,
  uniqueIndex,
} from 'drizzle-orm/sqlite-core'

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
  },
  (table) => [
    uniqueIndex('runs_identity').on(table.number, table.projectId, table.attempt),
    index('runs_by_project').on(table.projectId, table.id),
  ],
)

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
    /** Of a negotiated upload: what it offers. */
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

export const offeredKind = { entries: 0, composites: 1 } as const

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

export const packState = { filling: 0, whole: 1, dead: 2 } as const

/** SQL of a whole pack's dead bytes: framing is shared evenly by its copies. */
export const packDeadBytes =
  'size_bytes - live_bytes - (size_bytes - copy_bytes) * live_count / copy_count'

/** SQL that is true for packs with something alive and more than one part in `parts` dead. A query finds the partial
 *  index only by these very terms; there are two, for 2 and for 20 parts. */
export function isDeadBeyond(parts: 2 | 20): string {
  return `state = 1 AND live_count > 0
  AND (${packDeadBytes}) * ${parts} - size_bytes > 0`
}

/** SQL that is true for packs that are worth merging: small, and not because of many tiny members. */
export const isTiny = `state = 1 AND live_count > 0 AND size_bytes < 4194304
  AND copy_count < 4096`

/** One row: when this database was made; 0 for one that is older than this table. */
export const store = sqliteTable('store', {
  id: integer('id').primaryKey(),
  createdAt: integer('created_at').notNull(),
})

export const packs = sqliteTable(
  'packs',
  {
    id: integer('id').primaryKey({ autoIncrement: true }),
    name: text('name').notNull(),
    sizeBytes: integer('size_bytes').notNull(),
    state: integer('state').notNull(),
    sessionId: integer('session_id').notNull(),
    copyCount: integer('copy_count').notNull(),
    copyBytes: integer('copy_bytes').notNull(),
    liveCount: integer('live_count').notNull(),
    liveBytes: integer('live_bytes').notNull(),
    createdAt: integer('created_at').notNull(),
    /** When nothing in it was alive any more, and the newest read lease by then. */
    diedAt: integer('died_at'),
    lastReader: integer('last_reader'),
    /** When every copy was last read back and judged. */
    verifiedAt: integer('verified_at').notNull().default(0),
  },
  (table) => [
    uniqueIndex('packs_name').on(table.name),
    index('packs_by_verification')
      .on(sql`max(verified_at, created_at)`, table.id)
      .where(sql`state = 1`),
    index('packs_by_session').on(table.sessionId),
    index('packs_empty')
      .on(table.id)
      .where(sql`live_count = 0`),
    index('packs_half_dead')
      .on(table.id)
      .where(sql.raw(isDeadBeyond(2))),
    index('packs_partly_dead')
      .on(table.id)
      .where(sql.raw(isDeadBeyond(20))),
    index('packs_tiny').on(table.id).where(sql.raw(isTiny)),
  ],
)

/** The digest belongs to the one row below `filling`. */
export const blobState = { live: 0, damaged: 1, filling: 2, gone: 3, goneDamaged: 4 } as const

export const blobs = sqliteTable(
  'blobs',
  {
    id: integer('id').primaryKey({ autoIncrement: true }),
    digest: blob('digest', { mode: 'buffer' }).notNull(),
    sizeBytes: integer('size_bytes').notNull(),
    crc32: integer('crc32').notNull(),
    state: integer('state').notNull(),
    /** The project that brought the blob first. */
    projectId: integer('project_id')
      .notNull()
      .references(() => projects.id),
    /** The serving copy: the first the blob got, so that representations keep their bytes. Null for a composite. */
    copyStreamId: integer('copy_stream_id'),
    joiningStreamId: integer('joining_stream_id'),
    partCount: integer('part_count').notNull(),
    /** Of a composite; 0 otherwise. */
    joinedBytes: integer('joined_bytes').notNull(),
  },
  (table) => [
    uniqueIndex('blobs_digest')
      .on(table.digest)
      .where(sql`state < 2`),
    index('blobs_damaged')
      .on(table.id)
      .where(sql`state IN (1, 4)`),
  ],
)

export const streamState = { live: 0, damaged: 1 } as const

export const streams = sqliteTable(
  'streams',
  {
    id: integer('id').primaryKey({ autoIncrement: true }),
    digest: blob('digest', { mode: 'buffer' }).notNull(),
    codec: integer('codec').notNull(),
    blobId: integer('blob_id')
      .notNull()
      .references((): AnySQLiteColumn => blobs.id),
    packId: integer('pack_id')
      .notNull()
      .references(() => packs.id),
    offset: integer('offset').notNull(),
    lengthBytes: integer('length_bytes').notNull(),
    checks: blob('checks', { mode: 'buffer' }).notNull(),
    state: integer('state').notNull(),
    verifiedAt: integer('verified_at').notNull(),
  },
  (table) => [
    uniqueIndex('streams_digest').on(table.digest, table.codec),
    index('streams_damaged')
      .on(table.id)
      .where(sql`state = 1`),
    index('streams_by_blob').on(table.blobId),
    index('streams_by_pack').on(table.packId, table.offset),
  ],
)

export const compositeParts = sqliteTable(
  'composite_parts',
  {
    compositeId: integer('composite_id')
      .notNull()
      .references(() => blobs.id),
    ordinal: integer('ordinal').notNull(),
    partId: integer('part_id')
      .notNull()
      .references(() => blobs.id),
  },
  (table) => [
    primaryKey({ columns: [table.compositeId, table.ordinal] }),
    index('composite_parts_by_part').on(table.partId, table.compositeId),
  ],
)

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
    /** The session that stages it; null once it is live. */
    sessionId: integer('session_id'),
    pageCount: integer('page_count').notNull(),
    stagedEntries: integer('staged_entries').notNull(),
    /** What a staged manifest has added to `unique_bytes` of the store and of the project so far. */
    freshBytes: integer('fresh_bytes').notNull(),
    projectFreshBytes: integer('project_fresh_bytes').notNull(),
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
  },
  (table) => [
    primaryKey({ columns: [table.sessionId, table.manifestId] }),
    index('manifest_leases_by_manifest').on(table.manifestId),
  ],
)

export const touchedBlobs = sqliteTable('touched_blobs', {
  blobId: integer('blob_id')
    .primaryKey()
    .references(() => blobs.id, { onDelete: 'cascade' }),
})

export const alteredStreams = sqliteTable('altered_streams', {
  streamId: integer('stream_id')
    .primaryKey()
    .references(() => streams.id, { onDelete: 'cascade' }),
})

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
    /** `expiresAt`, or the end of time while pinned. */
    endsAt: integer('ends_at').notNull(),
    /** Null exactly while the artifact is live. */
    removedAt: integer('removed_at'),
    removedReason: text('removed_reason'),
    version: integer('version').notNull(),
    /** Null while live, and once it holds its rows no more. */
    releasableAt: integer('releasable_at'),
  },
  (table) => [
    uniqueIndex('artifacts_held_name')
      .on(table.runId, table.name)
      .where(sql`removed_at IS NULL`),
    index('artifacts_by_run').on(table.runId, table.id),
    index('artifacts_live')
      .on(table.projectId, table.id)
      .where(sql`removed_at IS NULL`),
    index('artifacts_by_name').on(table.projectId, table.name, table.id),
    index('artifacts_by_manifest').on(table.manifestId),
    index('artifacts_by_content').on(table.contentId),
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
  ],
)

/** A download, fetch or backup under way, and the artifact it reads; null when it reads across artifacts. */
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
})
