/** A copy of the database for a backup, and the packs it names. */
import SqliteDatabase, { type Database } from 'better-sqlite3'
import { closeSync, openSync } from 'node:fs'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { packState } from '../../../../schema/content.ts'
import { storeError } from '../../../core/errors.ts'
import type { Metadata } from '../../metadata.ts'
import type { Connection } from '../connection/connection.ts'
import { asWriteFailure } from '../connection/disk-failure.ts'
import { onSnapshot } from '../connection/snapshot-reading.ts'

/** `path`: where the database of the connection is. */
export function createBackupMethods(
  { prepare }: Connection,
  path: string,
): Pick<Metadata, 'copyTo' | 'listPacks'> {
  const list = prepare<
    [number, number, number, number],
    { id: number; name: string; sizeBytes: number }
  >(
    `SELECT id, name, size_bytes AS sizeBytes FROM packs
     WHERE id > ? AND id <= ? AND (state <> ${packState.dead} OR last_reader >= ?) ORDER BY id LIMIT ?`,
  )
  return {
    copyTo: async (target, signal) => {
      // The copy may be restored with this mode, and usually lies where everybody can read.
      closeSync(openSync(target, 'a', 0o600))
      try {
        await onSnapshot(path, async (snapshot) => {
          await snapshot.copyTo(target, () => signal?.throwIfAborted())
        })
        return await completeCopy(target, signal)
      } catch (error) {
        throw asWriteFailure(error, 'the disk of the copy')
      }
    },
    listPacks: async ({ lease, newest, after, limit }) => list.all(after, newest, lease, limit),
  }
}

/** Takes the copy out of WAL mode, so that it is one file, and returns the id of its newest pack.
 *  Requires that nobody else has it open. Errors: storage_failed (the copy is damaged, and so is
 *  the database, or the disk of the copy), the abort reason of `signal`. */
async function completeCopy(path: string, signal: AbortSignal | undefined): Promise<number> {
  const copy = new SqliteDatabase(path)
  try {
    // Otherwise WAL mode needs memory that processes share, which network file systems lack.
    copy.pragma('locking_mode = EXCLUSIVE')
    copy.pragma('journal_mode = DELETE')
    const tables = copy.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").pluck()
    for (const table of tables.all() as string[]) {
      await nextTurn()
      signal?.throwIfAborted()
      requireSound(copy, table)
    }
    return copy.prepare('SELECT coalesce(max(id), 0) FROM packs').pluck().get() as number
  } finally {
    copy.close()
  }
}

/** Errors: storage_failed. */
function requireSound(database: Database, table: string): void {
  const found = String(database.pragma(`quick_check('${table}')`, { simple: true }))
  if (found === 'ok') return
  const text = `the database is damaged, so it is not backed up: ${found}`
  throw storeError('storage_failed', text, { reason: 'SQLITE_CORRUPT' })
}
