/** SQL conditions: what would still be held if the artifacts of a question were gone. */
import { manifestState } from '../../../../schema/artifacts.ts'

/** The question, as parameters of the statements. */
export interface Question {
  question: number
  expiredBy: number
  releasableBy: number
  /** Null: readers hold nothing. */
  readBy: number | null
  now: number
  [name: string]: number | string | null
}

/** SQL that is true when artifact `a` is not one that the question names. */
const isUnnamed = `NOT EXISTS (SELECT 1 FROM temp.gone_artifacts g
  WHERE g.question = @question AND g.artifact_id = a.id)`

/** Reasons for which artifact `a` would keep its rows: it is live, its removal can be undone, or
 *  it is being read. Each is a separate condition, so that the index skips artifacts to which it
 *  does not apply. */
const holdings = [
  `a.removed_at IS NULL AND a.releasable_at IS NULL AND a.ends_at > @expiredBy AND ${isUnnamed}`,
  `a.releasable_at > @releasableBy AND ${isUnnamed}`,
  `@readBy IS NOT NULL AND (a.removed_at IS NULL OR a.releasable_at IS NOT NULL)
    AND EXISTS (SELECT 1 FROM read_leases l WHERE l.artifact_id = a.id AND l.until > @readBy)`,
]
const isHolding = holdings.map((holding) => `(${holding})`).join(' OR ')

/** SQL that is true while session `n` holds something: one past its lease is ended by the next
 *  round, and one that has ended has a lease of 0. */
const isLive = 'n.leased_until > @now'

/** SQL that is true when manifest `m` would be held. */
export const isManifestHeld: string = `(
  (m.state = ${manifestState.staged} AND EXISTS (SELECT 1 FROM sessions n WHERE n.id = m.session_id AND ${isLive}))
  ${holdings
    .map(
      (holding) => `OR EXISTS (SELECT 1 FROM artifacts a INDEXED BY artifacts_holding
    WHERE a.manifest_id = m.id AND ${holding})`,
    )
    .join(' ')}
  OR EXISTS (SELECT 1 FROM manifest_leases x CROSS JOIN sessions n ON n.id = x.session_id
    WHERE x.manifest_id = m.id AND ${isLive}))`

/** SQL that is true when a skeleton would name stream `s`. */
export const isNamed: string = `EXISTS (SELECT 1 FROM skeleton_streams k WHERE k.stream_id = s.id
  AND (EXISTS (SELECT 1 FROM artifacts a WHERE a.content_id = k.content_id AND (${isHolding}))
    OR EXISTS (SELECT 1 FROM sessions n WHERE n.id = k.content_id AND ${isLive})))`

/** SQL that is true when a blob would be held by something other than a composite. Of the manifests
 *  asked about, those that are not gone hold it. A holder is usually newer than the gone artifacts,
 *  so the newest manifests are checked first. */
function isBlobHeldItself(blob: string): string {
  return `((SELECT 1 FROM "references" r INDEXED BY references_by_blob
      WHERE r.blob_id = ${blob}.id
        AND NOT EXISTS (SELECT 1 FROM temp.gone_manifests h
          WHERE h.question = @question AND h.manifest_id = r.manifest_id)
        AND (EXISTS (SELECT 1 FROM temp.asked_manifests h
            WHERE h.question = @question AND h.manifest_id = r.manifest_id)
          OR EXISTS (SELECT 1 FROM manifests m WHERE m.id = r.manifest_id AND ${isManifestHeld}))
      ORDER BY r.project_id DESC, r.manifest_id DESC LIMIT 1) IS NOT NULL
    OR EXISTS (SELECT 1 FROM leases y CROSS JOIN sessions n ON n.id = y.session_id
      WHERE y.blob_id = ${blob}.id AND ${isLive})
    OR EXISTS (SELECT 1 FROM streams s WHERE s.blob_id = ${blob}.id AND ${isNamed}))`
}

/** SQL that is true when blob `b` would be held. */
export const isBlobHeld: string = `(${isBlobHeldItself('b')}
  OR EXISTS (SELECT 1 FROM composite_parts c CROSS JOIN blobs q ON q.id = c.composite_id
    WHERE c.part_id = b.id AND ${isBlobHeldItself('q')}))`
