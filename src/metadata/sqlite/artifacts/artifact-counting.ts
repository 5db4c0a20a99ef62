/** Rollups of live artifacts: their number, files and logical bytes, in the store and in each
 *  project. */
import type { Connection } from '../connection/connection.ts'

/** Runs inside the transaction in which an artifact becomes live (1) or stops being live (-1). */
export type ArtifactCounting = (
  artifact: { manifestId: number; projectId: number },
  by: 1 | -1,
) => void

export function createArtifactCounting({ prepare }: Connection): ArtifactCounting {
  const count = prepare<[{ manifestId: number; projectId: number; by: number }]>(
    `UPDATE totals SET artifacts = artifacts + @by, files = files + @by * m.file_count,
       logical_bytes = totals.logical_bytes + @by * m.logical_bytes
     FROM (SELECT file_count, logical_bytes FROM manifests WHERE id = @manifestId) m
     WHERE scope IN (0, @projectId)`,
  )
  return ({ manifestId, projectId }, by) => {
    count.run({ manifestId, projectId, by })
  }
}
