/** Tables of stored bytes: packs, the streams in them, the blobs they hold, and rows to be
 *  checked again. */
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
import { projects } from './runs.ts'

export const packState = { filling: 0, whole: 1, dead: 2 } as const

/** SQL for the dead bytes of a whole pack; framing is shared evenly by its copies. */
export const packDeadBytes =
  'size_bytes - live_bytes - (size_bytes - copy_bytes) * live_count / copy_count'

/** SQL that is true for packs with live copies whose dead bytes are more than one part in `parts`
 *  of the pack. SQLite uses a partial index only for exactly these terms; there is one for 2 parts
 *  and one for 20. */
export function isDeadBeyond(parts: 2 | 20): string {
  return `state = 1 AND live_count > 0
  AND (${packDeadBytes}) * ${parts} - size_bytes > 0`
}

/** SQL that is true for packs worth merging: small, but not full of tiny members. */
export const isTiny = `state = 1 AND live_count > 0 AND size_bytes < 4194304
  AND copy_count < 4096`

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
    /** When its last live copy was gone, and the newest read lease at that time. */
    diedAt: integer('died_at'),
    lastReader: integer('last_reader'),
    /** When every copy was last read back and verified. */
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

/** Of the rows with the same digest, only the one in a state below `filling` owns it. */
export const blobState = { live: 0, damaged: 1, filling: 2, gone: 3, goneDamaged: 4 } as const

/** SQL: the states of blobs that cannot be read. */
export const unreadableStates: string = `(${blobState.damaged}, ${blobState.goneDamaged})`

export const blobs = sqliteTable(
  'blobs',
  {
    id: integer('id').primaryKey({ autoIncrement: true }),
    digest: blob('digest', { mode: 'buffer' }).notNull(),
    sizeBytes: integer('size_bytes').notNull(),
    crc32: integer('crc32').notNull(),
    state: integer('state').notNull(),
    /** The project that first uploaded the blob. */
    projectId: integer('project_id')
      .notNull()
      .references(() => projects.id),
    /** The serving copy: the first copy of the blob, so that representations keep their bytes.
     *  Null for a composite. */
    copyStreamId: integer('copy_stream_id'),
    joiningStreamId: integer('joining_stream_id'),
    partCount: integer('part_count').notNull(),
    /** Set for a composite; 0 otherwise. */
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

export const touchedBlobs = sqliteTable('touched_blobs', {
  blobId: integer('blob_id')
    .primaryKey()
    .references(() => blobs.id, { onDelete: 'cascade' }),
})

export const alteredStreams = sqliteTable('altered_streams', {
  streamId: integer('stream_id')
    .primaryKey()
    .references(() => streams.id, { onDelete: 'cascade' }),
  /** How often it has changed since it was noted. */
  times: integer('times').notNull().default(1),
})
