/** A copy of the database for a backup, and the packs it names. */
import SqliteDatabase from 'better-sqlite3'
import { closeSync, fsyncSync, openSync } from 'node:fs'
import { packState } from '../../../../schema/content.ts'
import type { Metadata } from '../../metadata.ts'
import type { Connection } from '../connection/connection.ts'
import { reportingDiskFailure } from '../connection/disk-failure.ts'

export function createBackupMethods({
  prepare,
}: Connection): Pick<Metadata, 'copyTo' | 'listPacks'> {
  // One statement, so one snapshot. SQLite's online backup would restart with every commit of
  // another connection.
  const vacuum = prepare<[string]>('VACUUM INTO ?')
  const list = prepare<
    [number, number, number, number],
    { id: number; name: string; sizeBytes: number }
  >(
    `SELECT id, name, size_bytes AS sizeBytes FROM packs
     WHERE id > ? AND id <= ? AND (state <> ${packState.dead} OR last_reader >= ?) ORDER BY id LIMIT ?`,
  )
  return {
    copyTo: async (path) => {
      // The copy may be restored with this mode, and usually lies where everybody can read.
      closeSync(openSync(path, 'a', 0o600))
      reportingDiskFailure(() => vacuum.run(path), 'the disk of the copy')
      // VACUUM INTO leaves syncing to the caller (sqlite.org/lang_vacuum.html).
      const file = openSync(path, 'r')
      try {
        fsyncSync(file)
      } finally {
        closeSync(file)
      }
      return newestPackOf(path)
    },
    listPacks: async ({ lease, newest, after, limit }) => list.all(after, newest, lease, limit),
  }
}

/** Requires that nobody else has the database open. */
function newestPackOf(path: string): number {
  const copy = new SqliteDatabase(path, { readonly: true })
  try {
    return copy.prepare('SELECT coalesce(max(id), 0) FROM packs').pluck().get() as number
  } finally {
    copy.close()
  }
}
