/** Finds the artifacts that hold a file. A file common to all builds is in hundreds of thousands
 *  of artifacts, another in two, so the search starts from the smaller side: what refers to the
 *  file, or the newest artifacts, many of which have it. */
import { and, sql } from 'drizzle-orm'
import { artifacts } from '../../../../schema/artifacts.ts'
import { digestToBytes } from '../../../core/bytes/digest.ts'
import type { Metadata } from '../../metadata.ts'
import { isHeld } from './artifact-filter.ts'
import { createWalk } from './artifact-walk.ts'
import { createArtifactPages } from './artifacts.ts'
import type { Connection } from '../connection/connection.ts'

/** Upper bound on artifacts referring to a file for one statement to scan them all: about a
 *  millisecond. */
const holdersFew = 1024

type Page = Parameters<Metadata['listHolders']>[1]

export function createHolderMethods(connection: Connection): Pick<Metadata, 'listHolders'> {
  const findArtifacts = createArtifactPages(connection)
  const findBlob = connection.prepare<[Buffer], { id: number }>(
    'SELECT id FROM blobs WHERE digest = ? AND state < 2',
  )
  const findFew = createFewHolders(connection)
  const findNewest = createNewestHolders(connection)
  return {
    listHolders: async (digest, page) => {
      const blob = findBlob.get(digestToBytes(digest))
      if (blob === undefined) return []
      const ids = findFew(blob.id, page) ?? (await findNewest(blob.id, page))
      const { limit, now } = page
      return await findArtifacts({ ids }, { limit, offset: 0, sort: 'newest', now })
    },
  }
}

/** Returns a function that finds the ids of the holders, or undefined when there are many. */
function createFewHolders({
  prepare,
}: Connection): (blobId: number, page: Page) => number[] | undefined {
  const referring = prepare<[number, number | null, number | null], { id: number }>(
    `SELECT a.id FROM "references" r CROSS JOIN artifacts a ON a.manifest_id = r.manifest_id
     WHERE r.blob_id = ? AND (? IS NULL OR r.project_id = ?) LIMIT ${holdersFew + 1}`,
  )
  const holders = prepare<
    [number, number | null, number | null, number, number, number],
    { id: number }
  >(
    `SELECT a.id FROM "references" r CROSS JOIN artifacts a ON a.manifest_id = r.manifest_id
     WHERE r.blob_id = ? AND (? IS NULL OR r.project_id = ?)
       AND a.removed_at IS NULL AND a.ends_at > ? AND a.id < ?
     ORDER BY a.id DESC LIMIT ?`,
  )
  return (blobId, { projectId, now, limit, beforeId = Number.MAX_SAFE_INTEGER }) => {
    if (referring.all(blobId, projectId, projectId).length > holdersFew) return undefined
    return holders.all(blobId, projectId, projectId, now, beforeId, limit).map(({ id }) => id)
  }
}

function createNewestHolders(
  connection: Connection,
): (blobId: number, page: Page) => Promise<number[]> {
  const { orm } = connection
  const walk = createWalk(connection)
  return async (blobId, { projectId, now, limit, beforeId }) => {
    const ids: number[] = []
    const holds = sql`EXISTS (SELECT 1 FROM "references" r
      WHERE r.manifest_id = ${artifacts.manifestId} AND r.blob_id = ${blobId})`
    const filter = {
      ...(projectId !== null && { projectId }),
      ...(beforeId !== undefined && { beforeId }),
    }
    await walk(filter, { direction: 'down' }, (stretch) => {
      const rows = orm
        .select({ id: artifacts.id })
        .from(artifacts)
        .where(and(stretch, isHeld(now), holds))
        .orderBy(sql`${artifacts.id} DESC`)
        .limit(limit - ids.length)
        .all()
      ids.push(...rows.map(({ id }) => id))
      return ids.length < limit
    })
    return ids
  }
}
