/** Read leases: who is reading. A row protects what its reader may still access: the rows of its
 *  artifact, and every pack that dies from now on, because the reader can hold a place in it.
 *  Whether a pack died before or after a lease began is decided by the lease's id, which never
 *  runs backwards as a clock can. The clock only ends leases of holders that died.
 *
 *  No row can be written on a full disk, or on one that failed and became read-only, and reading
 *  must continue. Such a lease is kept in memory, where the collector of the same process finds
 *  it: while there is one, no removed artifact is released and no pack is deleted. */
import { isRefusedByDisk } from '../../../core/errors.ts'
import type { Metadata } from '../../metadata.ts'
import type { Connection } from '../connection/connection.ts'

type ReadLeaseMethods = Pick<
  Metadata,
  'openReadLeases' | 'renewReadLeases' | 'closeReadLeases' | 'listReadLeases'
>

/** SQL that is true while artifact `a` is being read. Parameter: the current instant. */
export const isBeingRead = `EXISTS (SELECT 1 FROM read_leases l WHERE l.artifact_id = a.id AND l.until > ?)`

/** SQL for the id of the newest lease. */
export const newestReadLease = `coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'read_leases'), 0)`

/** Leases that could not be written, by their negative ids, with the time each ends. */
export interface UnwrittenLeases {
  hold(until: number): number
  renew(lease: number, until: number): void
  drop(lease: number): void
  /** Whether any is live. */
  anyAt(now: number): boolean
}

export function createUnwrittenLeases(): UnwrittenLeases {
  const ends = new Map<number, number>()
  let last = 0
  return {
    hold: (until) => {
      last -= 1
      ends.set(last, until)
      return last
    },
    renew: (lease, until) => {
      const known = ends.get(lease)
      if (known !== undefined) ends.set(lease, Math.max(known, until))
    },
    drop: (lease) => {
      ends.delete(lease)
    },
    anyAt: (now) => {
      for (const [lease, until] of ends) if (until <= now) ends.delete(lease)
      return ends.size > 0
    },
  }
}

export function createReadLeaseMethods(
  connection: Connection,
  unwritten: UnwrittenLeases,
  isCollector: boolean,
): ReadLeaseMethods {
  const { prepare, stage } = connection
  /** Decides on an error of writing a lease: returns if the lease can be kept in memory, else
   *  throws. */
  const throwUnlessKeptInMemory = (error: unknown): void => {
    if (!isRefusedByDisk(error) || !isCollector) throw error
  }
  const insert = prepare<[number, number, string], { id: number }>(
    `INSERT INTO read_leases (artifact_id, started_at, until)
     SELECT j.value, ?, ? FROM json_each(?) j RETURNING id`,
  )
  const removed = prepare<[string], { id: number }>(
    `SELECT j.value AS id FROM json_each(?) j LEFT JOIN artifacts a ON a.id = j.value
     WHERE a.id IS NULL OR a.removed_at IS NOT NULL`,
  )
  const renew = prepare<[number, string]>(
    `UPDATE read_leases SET until = max(until, ?)
     WHERE id IN (SELECT j.value FROM json_each(?) j)`,
  )
  const remove = prepare<[string]>(
    'DELETE FROM read_leases WHERE id IN (SELECT j.value FROM json_each(?) j)',
  )
  const list = prepare<[number, number], { id: number }>(
    'SELECT id FROM read_leases INDEXED BY read_leases_by_end WHERE until > ? ORDER BY until LIMIT ?',
  )
  return {
    openReadLeases: async (artifactIds, now, leaseMs) => {
      const until = now + leaseMs
      const find = (): number[] => removed.all(JSON.stringify(artifactIds)).map((row) => row.id)
      try {
        return stage(() => {
          const gone = find()
          if (gone.length > 0) return { leases: [], gone }
          const held = JSON.stringify(artifactIds.length === 0 ? [null] : artifactIds)
          return { leases: insert.all(now, until, held).map((row) => row.id), gone }
        })
      } catch (error) {
        throwUnlessKeptInMemory(error)
        const lease = unwritten.hold(until)
        const gone = find()
        if (gone.length === 0) return { leases: [lease], gone }
        unwritten.drop(lease)
        return { leases: [], gone }
      }
    },
    renewReadLeases: async (leases, until) => {
      for (const lease of leases) unwritten.renew(lease, until)
      const written = leases.filter((lease) => lease > 0)
      if (written.length === 0) return
      try {
        stage(() => renew.run(until, JSON.stringify(written)))
      } catch (error) {
        throwUnlessKeptInMemory(error)
        // Nobody drops this lease: it bridges the time until the next renewal.
        unwritten.hold(until)
      }
    },
    closeReadLeases: async (leases) => {
      for (const lease of leases) unwritten.drop(lease)
      const written = leases.filter((lease) => lease > 0)
      if (written.length === 0) return
      try {
        stage(() => remove.run(JSON.stringify(written)))
      } catch (error) {
        // The lease then ends at its own time.
        if (!isRefusedByDisk(error)) throw error
      }
    },
    listReadLeases: async (now, limit) => list.all(now, limit).map(({ id }) => id),
  }
}
