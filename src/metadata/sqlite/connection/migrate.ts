/** Migrates a database to the newest schema with the files of `schema/migrations`, in drizzle's
 *  own format and record table. Drizzle's `migrate` reads that record before its transaction
 *  begins, so two threads opening a new database at once would both create it; here both steps
 *  happen under one write lock. */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import SqliteDatabase, { type Database } from 'better-sqlite3'
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

/** A migration was edited after this database had applied it. Only unreleased versions did so. */
class ChangedMigrationError extends Error {
  override readonly name = 'ChangedMigrationError'

  constructor(path: string) {
    super(
      `${path} was written by an unreleased version of Trove with another schema and was left unchanged`,
    )
  }
}

/** How many migrations the database at `path` lacks; 0 for one that is yet to be created, or that
 *  cannot be read: whoever opens it to use it reports why. */
export function countMissingMigrations(path: string): number {
  if (!existsSync(path)) return 0
  try {
    const database = new SqliteDatabase(path, { readonly: true })
    try {
      const applied = appliedHashes(database).length
      return applied === 0 ? 0 : readMigrationFiles({ migrationsFolder }).length - applied
    } finally {
      database.close()
    }
  } catch (error) {
    if (error instanceof SqliteDatabase.SqliteError) return 0
    throw error
  }
}

/** A no-op when the database is up to date, which is detected without writing.
 *  Errors: NewerDatabaseError, ChangedMigrationError. */
export function migrateDatabase(database: Database): void {
  const migrations = readMigrationFiles({ migrationsFolder })
  if (isMigrated(database, migrations)) return
  database
    .transaction(() => {
      applyMissing(database, migrations)
    })
    .immediate()
}

function applyMissing(database: Database, migrations: MigrationMeta[]): void {
  if (isMigrated(database, migrations)) return
  database.exec(
    'CREATE TABLE IF NOT EXISTS __drizzle_migrations (id INTEGER PRIMARY KEY, hash TEXT NOT NULL, created_at NUMERIC)',
  )
  const applied = appliedHashes(database)
  const record = database.prepare(
    'INSERT INTO __drizzle_migrations (hash, created_at) VALUES (?, ?)',
  )
  for (const migration of migrations.slice(applied.length)) {
    for (const statement of migration.sql) database.exec(statement)
    record.run(migration.hash, migration.folderMillis)
  }
}

/** Whether all migrations were applied. Errors: NewerDatabaseError, ChangedMigrationError. */
function isMigrated(database: Database, migrations: MigrationMeta[]): boolean {
  const applied = appliedHashes(database)
  if (applied.length > migrations.length) throw new NewerDatabaseError(database.name)
  if (applied.some((hash, index) => hash !== migrations[index]!.hash))
    throw new ChangedMigrationError(database.name)
  return applied.length === migrations.length
}

/** Hashes of the migrations applied, in order; none for an empty database. */
function appliedHashes(database: Database): string[] {
  const exists = database
    .prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = '__drizzle_migrations'")
    .get()
  if (exists === undefined) return []
  return database
    .prepare('SELECT hash FROM __drizzle_migrations ORDER BY created_at')
    .pluck()
    .all() as string[]
}
