/** Removes artifacts, on request or when they expire, with the steps of removal.ts. Afterwards the
 *  removal is undone, or their rows are released, and long after that their tombstones deleted. */
import { manifestState } from '../../../../schema/artifacts.ts'
import { type ArtifactState, nameTaken } from '../../../core/artifact.ts'
import { artifactExpired, artifactNotFound, hasCode, storeError } from '../../../core/errors.ts'
import { replacedReason } from '../../../core/policy/retention.ts'
import type { Metadata, ReleasePlace } from '../../metadata.ts'
import type { Connection } from '../connection/connection.ts'
import { createArtifactCounting } from './artifact-counting.ts'
import type { ArtifactChange } from './artifact-change.ts'
import { writeInBatches } from '../connection/in-batches.ts'
import { createLiveHolderFinder } from './name-holder.ts'
import type { Removal } from './removal.ts'

/** Releasing an artifact touches a handful of rows. */
const releaseBatch = 25

export function createRemoving(
  connection: Connection,
  { removal, latest, audit }: ArtifactChange,
): Pick<Metadata, 'removeArtifacts' | 'expireArtifacts'> {
  const expired = connection.prepare<[number, number], { id: number }>(
    `SELECT id FROM artifacts INDEXED BY artifacts_ending
     WHERE removed_at IS NULL AND ends_at <= ? ORDER BY ends_at, id LIMIT ?`,
  )
  return {
    removeArtifacts: async (artifactIds, end, author) => {
      const remove = (id: number): boolean => {
        const isEnded = removal.endArtifact(id, end)
        // The previous artifact may become the latest again.
        if (isEnded) latest.settle(id, end.now)
        return isEnded
      }
      const removed = await writeInBatches(connection, artifactIds, remove, (ids) =>
        audit.recordOf(ids, author, { kind: 'delete' }),
      )
      await removal.clearBriefly()
      return removed
    },
    expireArtifacts: async (now, limit) => {
      const end = { state: 'expired', reason: 'retention', now } as const
      const ended = connection.write(() =>
        expired.all(now, limit).map(({ id }) => removal.endArtifact(id, end)),
      )
      return ended.length
    },
  }
}

export function createReleasing(
  connection: Connection,
  removal: Removal,
): Metadata['releaseRemoved'] {
  const { prepare, stageInSteps } = connection
  const releasable = prepare<[number, number, number, number], ReleasePlace>(
    `SELECT id, releasable_at AS at FROM artifacts INDEXED BY artifacts_releasable
     WHERE releasable_at IS NOT NULL AND releasable_at <= ? AND (releasable_at, id) > (?, ?)
     ORDER BY releasable_at, id LIMIT ?`,
  )
  return async (by, now, { after, limit }) => {
    const waiting: number[] = []
    let released = 0
    // Artifacts being read stay in the list, so it is walked instead of taken from the top.
    let place = after
    let left = limit
    let isMore = true
    await stageInSteps(() => {
      const most = Math.min(left, releaseBatch)
      const rows = releasable.all(by, place.at, place.id, most)
      for (const { id } of rows) {
        if (removal.releaseArtifact(id, now)) released += 1
        else waiting.push(id)
      }
      left -= rows.length
      place = rows.at(-1) ?? place
      isMore = rows.length === most
      return isMore && left > 0
    })
    return { released, waiting, last: isMore ? place : null }
  }
}

interface RestorableRow {
  id: number
  runId: number
  name: string
  projectId: number
  manifestId: number
  newBytes: number
  endsAt: number
  removedAt: number
  removedReason: string
  state: ArtifactState
  releasableAt: number | null
}

/** Reasons not to restore an artifact; found before anything is changed. */
const refusals = [
  'artifact_not_found',
  'artifact_expired',
  'artifact_deleted',
  'name_taken',
] as const

export function createRestoring(
  connection: Connection,
  { removal, damage, latest, checkBounds, audit }: ArtifactChange,
): Pick<Metadata, 'restoreArtifact' | 'restoreArtifacts'> {
  const { prepare, write } = connection
  const find = prepare<[number], RestorableRow>(
    `SELECT id, run_id AS runId, name, project_id AS projectId, manifest_id AS manifestId, new_bytes AS newBytes, ends_at AS endsAt,
       removed_at AS removedAt, removed_reason AS removedReason, state, releasable_at AS releasableAt
     FROM artifacts WHERE id = ? AND removed_at IS NOT NULL`,
  )
  const findHolder = createLiveHolderFinder(connection, removal)
  const revive = prepare<[number]>(
    `UPDATE artifacts SET state = 'available', removed_at = NULL, removed_reason = NULL, releasable_at = NULL,
       removed_act = NULL
     WHERE id = ?`,
  )
  const count = createArtifactCounting(connection)

  const refuseEnded = (row: RestorableRow, now: number): void => {
    const { id: artifactId, removedAt, removedReason: reason } = row
    // Not when garbage collection noticed.
    if (row.state === 'expired' || row.endsAt <= now)
      throw artifactExpired({ artifactId, expiredAt: row.endsAt, reason })
    const isReplaced = reason === replacedReason
    if (!isReplaced && row.releasableAt !== null && row.releasableAt > now) return
    const why = isReplaced
      ? 'was replaced by a later upload, which cannot be undone'
      : 'was deleted too long ago to be restored'
    const deleted = { artifactId, deletedAt: removedAt, reason }
    throw storeError('artifact_deleted', `artifact ${artifactId} ${why}`, deleted)
  }

  /** Inside a transaction. */
  const restore = (artifactId: number, now: number): void => {
    const row = find.get(artifactId)
    if (!row) throw artifactNotFound(`id:${artifactId}`, `no deleted artifact ${artifactId}`)
    refuseEnded(row, now)
    const holder = findHolder(row.runId, row.name, now)
    if (holder !== undefined) throw nameTaken(row.name, holder.id)
    revive.run(artifactId)
    count(row, { live: 1, removed: -1 })
    checkBounds(row, now)
    // Covers damage and healing while the artifact was removed.
    damage.judge(artifactId)
    latest.settle(artifactId, now)
  }

  return {
    restoreArtifact: async (artifactId, now, author) => {
      write(() => {
        restore(artifactId, now)
        audit.recordOf([artifactId], author, { kind: 'restore' })
      })
    },
    restoreArtifacts: async (artifactIds, now, author) => {
      const tryRestore = (id: number): boolean => {
        try {
          restore(id, now)
          return true
        } catch (error) {
          if (hasCode(error, ...refusals)) return false
          throw error
        }
      }
      return await writeInBatches(connection, artifactIds, tryRestore, (ids) =>
        audit.recordOf(ids, author, { kind: 'restore' }),
      )
    },
  }
}

/** A tombstone is one to three rows: the artifact, the upload it came from, and its manifest
 *  when it was the last user. */
export function createTombstonePurge({
  prepare,
  stageInSteps,
}: Connection): Metadata['purgeTombstones'] {
  const find = prepare<[number, number], { id: number; manifestId: number }>(
    `SELECT id, manifest_id AS manifestId FROM artifacts INDEXED BY artifacts_removed
     WHERE removed_at IS NOT NULL AND removed_at <= ? AND releasable_at IS NULL AND content_id IS NULL
       AND NOT EXISTS (SELECT 1 FROM read_leases l WHERE l.artifact_id = artifacts.id)
     ORDER BY removed_at LIMIT ?`,
  )
  const dropUploads = prepare<[string]>(
    'DELETE FROM uploads WHERE artifact_id IN (SELECT j.value FROM json_each(?) j)',
  )
  const dropArtifacts = prepare<[string]>(
    'DELETE FROM artifacts WHERE id IN (SELECT j.value FROM json_each(?) j)',
  )
  const dropManifests = prepare<[string]>(
    `DELETE FROM manifests WHERE id IN (SELECT j.value FROM json_each(?) j) AND state = ${manifestState.emptied}
       AND NOT EXISTS (SELECT 1 FROM artifacts a WHERE a.manifest_id = manifests.id)`,
  )
  return async (removedBy, limit) => {
    let purged = 0
    await stageInSteps(() => {
      const rows = find.all(removedBy, Math.min(limit - purged, releaseBatch))
      const ids = JSON.stringify(rows.map((row) => row.id))
      dropUploads.run(ids)
      dropArtifacts.run(ids)
      dropManifests.run(JSON.stringify(rows.map((row) => row.manifestId)))
      purged += rows.length
      return rows.length > 0 && purged < limit
    })
    return purged
  }
}
