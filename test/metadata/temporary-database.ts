/** Databases of tests: each in a directory of its own, removed when the test file ends. */
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { openSqliteMetadata } from '../../src/metadata/sqlite.ts'

export interface TemporaryDatabases {
  /** Path of a database that does not exist yet. */
  newPath(): string
  /** Path of a new, empty database; cheaper than letting each test migrate its own. */
  newDatabase(): Promise<string>
}

export function temporaryDatabases(): TemporaryDatabases {
  const folders: string[] = []
  afterAll(() => {
    for (const folder of folders) rmSync(folder, { recursive: true, force: true })
  })
  const newPath = (): string => {
    const folder = mkdtempSync(join(tmpdir(), 'trove-metadata-'))
    folders.push(folder)
    return join(folder, 'trove.db')
  }
  const makeTemplate = async (): Promise<string> => {
    const path = newPath()
    await openSqliteMetadata({ path }).close()
    return path
  }
  let template: Promise<string> | undefined
  return {
    newPath,
    newDatabase: async () => {
      template ??= makeTemplate()
      const path = newPath()
      copyFileSync(await template, path)
      return path
    },
  }
}
