/** Migrates a database to the newest schema with the files of `schema/migrations`, in drizzle's
 *  own format and record table. Drizzle's `migrate` reads that record before its transaction
 *  begins, so two threads opening a new database at once would both create it; here both steps
 *  happen under one write lock. */
import { fileURLToPath } from 'node:url'
import type { Database } from 'better-sqlite3'
import { type MigrationMeta, readMigrationFiles } from 'drizzle-orm/migrator'
import { programRoot } from '../../../program-files.ts'

// Resolves to the same folder from `src/` and from `dist/src/`.
const migrationsFolder = fileURLToPath(new URL('../schema/migrations', programRoot))

/** The database was migrated by a newer version of the program. */
class NewerDatabaseError extends Error {
  override readonly name = 'NewerDatabaseError'

  constructor(path: string) {
    super(`${path} was written by a newer version of Trove and was left unchanged`)
  }
}

/** A no-op when the database is up to date, which is detected without writing.
 *  Errors: NewerDatabaseError. */
export function migrateDatabase(database: Database): void {
  const migrations = readMigrationFiles({ migrationsFolder })
  const newest = Math.max(...migrations.map((migration) => migration.folderMillis))
  if (lastApplied(database) === newest) return
  database
    .transaction(() => {
      applyMissing(database, migrations)
    })
    .immediate()
  const applied = lastApplied(database)
  if (applied !== newest) throw new NewerDatabaseError(database.name)
}

function applyMissing(database: Database, migrations: MigrationMeta[]): void {
  database.exec(
    'CREATE TABLE IF NOT EXISTS __drizzle_migrations (id INTEGER PRIMARY KEY, hash TEXT NOT NULL, created_at NUMERIC)',
  )
  const applied = lastApplied(database)
  const record = database.prepare(
    'INSERT INTO __drizzle_migrations (hash, created_at) VALUES (?, ?)',
  )
  for (const migration of migrations) {
    if (migration.folderMillis <= applied) continue
    for (const statement of migration.sql) database.exec(statement)
    record.run(migration.hash, migration.folderMillis)
  }
}

/** The `when` of the newest migration applied, 0 for an empty database. */
function lastApplied(database: Database): number {
  const exists = database
    .prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = '__drizzle_migrations'")
    .get()
  if (exists === undefined) return 0
  return database
    .prepare('SELECT coalesce(max(created_at), 0) FROM __drizzle_migrations')
    .pluck()
    .get() as number
}
