/** Rollups of artifacts, in the store and in each project: number, files and logical bytes of live
 *  ones, and logical bytes of removed ones that are not released yet. */
import type { Connection } from '../connection/connection.ts'

/** Runs inside the transaction in which an artifact enters (1) or leaves (-1) a state. */
export type ArtifactCounting = (
  artifact: { manifestId: number; projectId: number },
  by: { live?: 1 | -1; removed?: 1 | -1 },
) => void

export function createArtifactCounting({ prepare }: Connection): ArtifactCounting {
  const count = prepare<[{ manifestId: number; projectId: number; live: number; removed: number }]>(
    `UPDATE totals SET artifacts = artifacts + @live, files = files + @live * m.file_count,
       logical_bytes = totals.logical_bytes + @live * m.logical_bytes,
       removed_bytes = totals.removed_bytes + @removed * m.logical_bytes
     FROM (SELECT file_count, logical_bytes FROM manifests WHERE id = @manifestId) m
     WHERE scope IN (0, @projectId)`,
  )
  return ({ manifestId, projectId }, { live = 0, removed = 0 }) => {
    count.run({ manifestId, projectId, live, removed })
  }
}
