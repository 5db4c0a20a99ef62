/** Figures, read from the rollups. Unique bytes that uploads in progress have added are subtracted,
 *  even those of content that another artifact holds by now. The figure is exact while no upload is
 *  in progress. */
import { manifestState } from '../../../../schema/artifacts.ts'
import { notFound } from '../../../core/errors.ts'
import type { Metadata, StoreFigures } from '../../metadata.ts'
import type { Connection } from '../connection/connection.ts'

export function createFigureMethods({
  prepare,
}: Connection): Pick<Metadata, 'figures' | 'projectFigures'> {
  const totals = prepare<[number], Omit<StoreFigures, 'damagedArtifacts'>>(
    `SELECT artifacts, files, logical_bytes AS logicalBytes, removed_bytes AS removedBytes, unique_bytes AS uniqueBytes,
       chunk_bytes AS chunkBytes, stored_bytes AS storedBytes, packs, live_bytes AS liveBytes
     FROM totals WHERE scope = ?`,
  )
  const damaged = prepare<[], { artifacts: number }>(
    "SELECT count(*) AS artifacts FROM artifacts INDEXED BY artifacts_damaged WHERE state = 'damaged'",
  )
  const fresh = prepare<[], { bytes: number }>(
    `SELECT coalesce(sum(fresh_bytes), 0) AS bytes
     FROM manifests INDEXED BY manifests_staged WHERE state = ${manifestState.staged}`,
  )
  const projectFresh = prepare<[number], { bytes: number }>(
    `SELECT coalesce(sum(project_fresh_bytes), 0) AS bytes
     FROM manifests INDEXED BY manifests_staged WHERE state = ${manifestState.staged} AND project_id = ?`,
  )
  return {
    figures: async () => {
      const row = totals.get(0)!
      const uniqueBytes = row.uniqueBytes - fresh.get()!.bytes
      return { ...row, uniqueBytes, damagedArtifacts: damaged.get()!.artifacts }
    },
    projectFigures: async (projectId) => {
      const found = totals.get(projectId)
      if (found === undefined) throw notFound(`project ${projectId}`)
      const { storedBytes: _stored, packs: _packs, liveBytes: _live, ...row } = found
      return { ...row, uniqueBytes: row.uniqueBytes - projectFresh.get(projectId)!.bytes }
    },
  }
}
