/** Read leases: who is reading. A row keeps what its reader may still come to: the rows of its artifact, and every pack
 *  that dies from now on, because the reader can hold a place in it. The order of lease and death is that of the lease's
 *  id, which never runs backwards as a clock can; the clock only ends leases whose holder is gone. */
import type { Metadata } from '../metadata.ts'
import type { Connection } from './connection.ts'

type ReadLeaseMethods = Pick<
  Metadata,
  'openReadLeases' | 'renewReadLeases' | 'closeReadLeases' | 'listReadLeases'
>

/** SQL that is true while somebody reads artifact `a`. Parameter: the instant now. */
export const isBeingRead = `EXISTS (SELECT 1 FROM read_leases l WHERE l.artifact_id = a.id AND l.until > ?)`

/** SQL of the newest lease given out. */
export const newestReadLease = `coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'read_leases'), 0)`

export function createReadLeaseMethods(connection: Connection): ReadLeaseMethods {
  const { prepare, stage } = connection
  const insert = prepare<[number, number, string], { id: number }>(
    `INSERT INTO read_leases (artifact_id, started_at, until)
     SELECT j.value, ?, ? FROM json_each(?) j RETURNING id`,
  )
  const removed = prepare<[string], { id: number }>(
    `SELECT j.value AS id FROM json_each(?) j LEFT JOIN artifacts a ON a.id = j.value
     WHERE j.value IS NOT NULL AND (a.id IS NULL OR a.removed_at IS NOT NULL)`,
  )
  const renew = prepare<[number, string]>(
    `UPDATE read_leases SET until = max(until, ?)
     WHERE id IN (SELECT j.value FROM json_each(?) j)`,
  )
  const remove = prepare<[string]>(
    'DELETE FROM read_leases WHERE id IN (SELECT j.value FROM json_each(?) j)',
  )
  const list = prepare<[number, number], ReadLeaseRow>(
    `SELECT l.id, l.artifact_id AS artifactId, l.started_at AS startedAt, l.until
     FROM read_leases l INDEXED BY read_leases_by_end WHERE l.until > ? ORDER BY l.until LIMIT ?`,
  )
  return {
    openReadLeases: async (artifactIds, now, leaseMs) =>
      stage(() => {
        const gone = removed.all(JSON.stringify(artifactIds)).map((row) => row.id)
        if (gone.length > 0) return { leases: [], gone }
        const held = JSON.stringify(artifactIds.length === 0 ? [null] : artifactIds)
        return { leases: insert.all(now, now + leaseMs, held).map((row) => row.id), gone }
      }),
    renewReadLeases: async (leases, until) => {
      stage(() => renew.run(until, JSON.stringify(leases)))
    },
    closeReadLeases: async (leases) => {
      stage(() => remove.run(JSON.stringify(leases)))
    },
    listReadLeases: async (now, limit) => list.all(now, limit),
  }
}

interface ReadLeaseRow {
  id: number
  artifactId: number | null
  startedAt: number
  until: number
}
