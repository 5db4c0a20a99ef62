/** Finds the artifacts that hold a file. */
import { digestToBytes } from '../../../core/bytes/digest.ts'
import type { Metadata } from '../../metadata.ts'
import { createArtifactPages } from './artifacts.ts'
import type { Connection } from '../connection/connection.ts'

export function createHolderMethods(connection: Connection): Pick<Metadata, 'listHolders'> {
  const findArtifacts = createArtifactPages(connection)
  const findBlob = connection.prepare<[Buffer], { id: number }>(
    'SELECT id FROM blobs WHERE digest = ? AND state < 2',
  )
  return {
    listHolders: async (digest, { projectIds, beforeId, limit, now }) => {
      const blob = findBlob.get(digestToBytes(digest))
      if (blob === undefined) return []
      const filter = {
        blobId: blob.id,
        ...(projectIds !== null && { projectIds }),
        ...(beforeId !== undefined && { beforeId }),
      }
      return await findArtifacts(filter, { limit, offset: 0, sort: 'newest', now })
    },
  }
}
