/** Unique bytes: the size of each blob that some manifest refers to, counted once for the store
 *  and once for each project that refers to it. Staging adds what is new; clearing subtracts
 *  what is no longer referenced. Chunk bytes: the size of each blob that has a copy of its own. */
import type { Connection } from '../connection/connection.ts'

export interface UniqueBytes {
  store: number
  project: number
}

export interface UniqueByteCounting {
  /** Size of those of the blobs (ids as a JSON array) without a reference: in the store, and in
   *  the project. */
  unreferenced(projectId: number, blobIds: string): UniqueBytes
  /** Adds to the totals of the store and the project. */
  add(projectId: number, bytes: UniqueBytes): void
}

export function createUniqueByteCounting({ prepare }: Connection): UniqueByteCounting {
  const measure = prepare<[number, string], UniqueBytes>(
    `SELECT
       coalesce(sum(b.size_bytes) FILTER
         (WHERE NOT EXISTS (SELECT 1 FROM "references" r WHERE r.blob_id = b.id)), 0) AS store,
       coalesce(sum(b.size_bytes) FILTER
         (WHERE NOT EXISTS (SELECT 1 FROM "references" r WHERE r.blob_id = b.id AND r.project_id = ?)), 0) AS project
     FROM json_each(?) j CROSS JOIN blobs b ON b.id = j.value`,
  )
  const count = prepare<[number, number]>(
    'UPDATE totals SET unique_bytes = unique_bytes + ? WHERE scope = ?',
  )
  return {
    unreferenced: (projectId, blobIds) => measure.get(projectId, blobIds)!,
    add: (projectId, { store, project }) => {
      count.run(store, 0)
      count.run(project, projectId)
    },
  }
}

/** Returns a function that adds chunk bytes to the totals of the store and of the project that
 *  uploaded them first. */
export function createChunkCounting({
  prepare,
}: Connection): (projectId: number, bytes: number) => void {
  const count = prepare<[number, number]>(
    'UPDATE totals SET chunk_bytes = chunk_bytes + ? WHERE scope IN (0, ?)',
  )
  return (projectId, bytes) => {
    if (bytes !== 0) count.run(bytes, projectId)
  }
}
