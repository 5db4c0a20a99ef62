/** Databases for tests, each in a directory of its own that is removed when the test file ends. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openSqliteMetadata } from '../../src/metadata/sqlite/sqlite.ts'
import { fileDirectory } from '../temporary-directory.ts'

export interface TemporaryDatabases {
  /** Path of a database that does not exist yet. */
  newPath(): string
  /** Path of a new, empty database. */
  newDatabase(): Promise<string>
}

export function temporaryDatabases(): TemporaryDatabases {
  const directory = fileDirectory()
  const newPath = (): string => join(mkdtempSync(join(directory, 'database-')), 'trove.db')
  return {
    newPath,
    newDatabase: async () => {
      const path = newPath()
      await makeEmptyDatabase(path)
      return path
    },
  }
}

let template: Promise<Buffer> | undefined

/** Creates a database at `path`, which is cheaper than a migration per test. */
export async function makeEmptyDatabase(path: string): Promise<void> {
  template ??= migrateOne()
  writeFileSync(path, await template, { mode: 0o600 })
}

async function migrateOne(): Promise<Buffer> {
  const folder = mkdtempSync(join(tmpdir(), 'trove-metadata-'))
  try {
    const path = join(folder, 'trove.db')
    await openSqliteMetadata({ path }).close()
    return readFileSync(path)
  } finally {
    rmSync(folder, { recursive: true })
  }
}
