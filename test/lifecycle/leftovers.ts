/** What must be true of a store at rest: nothing on disk without a row, and no row that nothing
 *  needs. */
import SqliteDatabase from 'better-sqlite3'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { packPaths } from './stored-bytes.ts'

/** Rows that nothing needs, by kind; none in a store after a collection. */
export function leftovers(path: string): Record<string, number> {
  return countRows(path, {
    'blobs without a holder': `SELECT count(*) AS n FROM blobs b
      WHERE NOT EXISTS (SELECT 1 FROM "references" r WHERE r.blob_id = b.id)
        AND NOT EXISTS (SELECT 1 FROM composite_parts c WHERE c.part_id = b.id)
        AND NOT EXISTS (SELECT 1 FROM streams s JOIN skeleton_streams k ON k.stream_id = s.id WHERE s.blob_id = b.id)`,
    'blobs without a copy': `SELECT count(*) AS n FROM blobs b WHERE b.part_count = 0
      AND NOT EXISTS (SELECT 1 FROM streams s WHERE s.id = b.copy_stream_id)`,
    'parts of no file in parts': `SELECT count(*) AS n FROM composite_parts c
      WHERE NOT EXISTS (SELECT 1 FROM blobs b WHERE b.id = c.composite_id AND b.part_count > 0)`,
    'streams that serve nothing': `SELECT count(*) AS n FROM streams s JOIN blobs b ON b.id = s.blob_id
      WHERE s.id IS NOT b.copy_stream_id
        AND (s.id IS NOT b.joining_stream_id
          OR NOT EXISTS (SELECT 1 FROM composite_parts c WHERE c.part_id = b.id))
        AND NOT EXISTS (SELECT 1 FROM skeleton_streams k WHERE k.stream_id = s.id)`,
    'references of nobody': `SELECT count(*) AS n FROM "references" r
      WHERE NOT EXISTS (SELECT 1 FROM artifacts a WHERE a.manifest_id = r.manifest_id AND a.removed_at IS NULL)`,
    'skeletons of nobody': `SELECT count(*) AS n FROM skeleton_streams k
      WHERE NOT EXISTS (SELECT 1 FROM artifacts a WHERE a.content_id = k.content_id AND a.removed_at IS NULL)`,
    'pages of an emptied manifest': `SELECT count(*) AS n FROM manifest_pages p
      WHERE NOT EXISTS (SELECT 1 FROM artifacts a WHERE a.manifest_id = p.manifest_id AND a.removed_at IS NULL)`,
    'manifests of nobody': `SELECT count(*) AS n FROM manifests m
      WHERE NOT EXISTS (SELECT 1 FROM artifacts a WHERE a.manifest_id = m.id)`,
    'pages of skeletons and times of nobody': `SELECT count(*) AS n FROM
      (SELECT content_id AS id FROM skeleton_pages UNION ALL SELECT content_id FROM artifact_times) c
      WHERE NOT EXISTS (SELECT 1 FROM artifacts a WHERE a.content_id = c.id AND a.removed_at IS NULL)`,
    'packs without a copy': `SELECT count(*) AS n FROM packs p
      WHERE NOT EXISTS (SELECT 1 FROM streams s WHERE s.pack_id = p.id)`,
    'wrong counts of packs': `SELECT count(*) AS n FROM packs p
      WHERE p.live_count <> (SELECT count(*) FROM streams s WHERE s.pack_id = p.id)
         OR p.live_bytes <> (SELECT coalesce(sum(s.length_bytes), 0) FROM streams s WHERE s.pack_id = p.id)`,
    'candidates of sweep': 'SELECT count(*) AS n FROM touched_blobs',
    sessions: 'SELECT count(*) AS n FROM sessions',
    leases: 'SELECT count(*) AS n FROM leases',
    'leases on manifests': 'SELECT count(*) AS n FROM manifest_leases',
    'offered pages': 'SELECT count(*) AS n FROM offered_pages',
  })
}

/** Rows left of artifacts and runs; none once all have ended and their history is deleted. */
export function unforgotten(path: string): Record<string, number> {
  const tables = [
    'artifacts',
    'manifests',
    'uploads',
    'runs',
    'run_records',
    'run_jobs',
    'log_pages',
    'annotations',
    'summary_pages',
  ]
  return countRows(
    path,
    Object.fromEntries(tables.map((table) => [table, `SELECT count(*) AS n FROM ${table}`])),
  )
}

function countRows(path: string, queries: Record<string, string>): Record<string, number> {
  const database = new SqliteDatabase(path, { readonly: true })
  const found = Object.entries(queries).map(([what, sql]): [string, number] => [
    what,
    (database.prepare(sql).get() as { n: number }).n,
  ])
  database.close()
  return Object.fromEntries(found.filter(([, count]) => count > 0))
}

/** Sum of the sizes of all packs. */
export async function diskBytes(directory: string): Promise<number> {
  let sum = 0
  for (const path of await packPaths(join(directory, 'cas'))) sum += (await stat(path)).size
  return sum
}
