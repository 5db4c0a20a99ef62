/** Tables of credentials in artifacts: only where they are, never what they are. */
import { blob, integer, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core'
import { manifests } from './artifacts.ts'
import { blobs } from './content.ts'
import { projects } from './runs.ts'

/** Contents that were scanned. */
export const lookedBlobs = sqliteTable('looked_blobs', {
  blobId: integer('blob_id')
    .primaryKey()
    .references(() => blobs.id, { onDelete: 'cascade' }),
  /** Version of the rules. */
  rules: integer('rules').notNull(),
  /** JSON: kinds and lines; null when there are none, which is the usual case. */
  found: text('found'),
})

export const manifestSecrets = sqliteTable(
  'manifest_secrets',
  {
    manifestId: integer('manifest_id')
      .notNull()
      .references(() => manifests.id, { onDelete: 'cascade' }),
    path: text('path').notNull(),
    line: integer('line').notNull(),
    kind: text('kind').notNull(),
    /** Digest of the file. */
    digest: blob('digest', { mode: 'buffer' }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.manifestId, table.path, table.line] })],
)

/** Files whose findings somebody in the project has dismissed. */
export const dismissedSecrets = sqliteTable(
  'dismissed_secrets',
  {
    projectId: integer('project_id')
      .notNull()
      .references(() => projects.id),
    digest: blob('digest', { mode: 'buffer' }).notNull(),
    dismissedAt: integer('dismissed_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.projectId, table.digest] })],
)
