/** Rollups of artifacts, in the store and in each project: number, files, logical and new bytes of
 *  live ones, and logical bytes of removed ones that are not released yet. */
import type { Connection } from '../connection/connection.ts'

export interface CountedArtifact {
  manifestId: number
  projectId: number
  newBytes: number
}

/** Runs inside the transaction in which an artifact enters (1) or leaves (-1) a state. */
export type ArtifactCounting = (
  artifact: CountedArtifact,
  by: { live?: 1 | -1; removed?: 1 | -1 },
) => void

export function createArtifactCounting({ prepare }: Connection): ArtifactCounting {
  const count = prepare<[CountedArtifact & { live: number; removed: number }]>(
    `UPDATE totals SET artifacts = artifacts + @live, files = files + @live * m.file_count,
       logical_bytes = totals.logical_bytes + @live * m.logical_bytes,
       new_bytes = new_bytes + @live * @newBytes,
       removed_bytes = totals.removed_bytes + @removed * m.logical_bytes
     FROM (SELECT file_count, logical_bytes FROM manifests WHERE id = @manifestId) m
     WHERE scope IN (0, @projectId)`,
  )
  return ({ manifestId, projectId, newBytes }, { live = 0, removed = 0 }) => {
    count.run({ manifestId, projectId, newBytes, live, removed })
  }
}
