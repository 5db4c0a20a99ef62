/** Deletes the rows behind a removed thing, in small steps: each function deletes some of them
 *  and can be called again after a crash. References go first; a blob that loses one becomes a
 *  candidate for sweep in the same transaction (invariant 5).
 *
 *  `LIMIT` in a DELETE requires SQLITE_ENABLE_UPDATE_DELETE_LIMIT, which better-sqlite3 sets. */
import { manifestState } from '../../../../schema/artifacts.ts'
import type { Connection } from '../connection/connection.ts'
import { createUniqueByteCounting } from '../blobs/unique-bytes.ts'

/** Deleting a reference changes two trees and looks up what else holds the blob. */
const batch = 50
/** Pages have some kilobytes each. */
const pageBatch = 5

/** Returns a function that deletes some of the references and pages of a dying manifest, and
 *  finally the manifest. Its own row stays as long as a tombstone needs its tree digest. */
export function createManifestClearing(connection: Connection): (manifestId: number) => void {
  const { prepare } = connection
  const uniqueBytes = createUniqueByteCounting(connection)
  const dropReferences = prepare<[number], { blobId: number; projectId: number }>(
    `DELETE FROM "references" WHERE manifest_id = ?
     RETURNING blob_id AS blobId, project_id AS projectId LIMIT ${batch}`,
  )
  const touch = prepare<[string]>(
    `INSERT OR IGNORE INTO touched_blobs (blob_id) SELECT j.value FROM json_each(?) j
     WHERE NOT EXISTS (SELECT 1 FROM "references" r WHERE r.blob_id = j.value)`,
  )
  const dropPages = prepare<[number]>(
    `DELETE FROM manifest_pages WHERE manifest_id = ? LIMIT ${pageBatch}`,
  )
  const dropSecrets = prepare<[number]>('DELETE FROM manifest_secrets WHERE manifest_id = ?')
  const dropRow = prepare<[number]>(
    `DELETE FROM manifests WHERE id = ? AND state = ${manifestState.dying}
       AND NOT EXISTS (SELECT 1 FROM artifacts a WHERE a.manifest_id = manifests.id)`,
  )
  const keepRow = prepare<[number]>(
    `UPDATE manifests SET state = ${manifestState.emptied}, secret_rules = 0
     WHERE id = ? AND state = ${manifestState.dying}`,
  )

  const dropSomeReferences = (manifestId: number): boolean => {
    const rows = dropReferences.all(manifestId)
    if (rows.length === 0) return false
    const blobIds = JSON.stringify(rows.map((row) => row.blobId))
    const { projectId } = rows[0]!
    const { store, project } = uniqueBytes.unreferenced(projectId, blobIds)
    uniqueBytes.add(projectId, { store: -store, project: -project })
    touch.run(blobIds)
    return true
  }

  return (manifestId) => {
    if (dropSomeReferences(manifestId)) return
    if (dropPages.run(manifestId).changes > 0) return
    dropSecrets.run(manifestId)
    if (dropRow.run(manifestId).changes === 0) keepRow.run(manifestId)
  }
}

/** Returns a function that deletes some of the times and skeleton of a removed artifact or an
 *  aborted session; false when nothing is left. */
export function createContentClearing({ prepare }: Connection): (contentId: number) => boolean {
  const dropStreams = prepare<[number], { streamId: number }>(
    `DELETE FROM skeleton_streams WHERE content_id = ?
     RETURNING stream_id AS streamId LIMIT ${batch}`,
  )
  const touch = prepare<[string]>(
    `INSERT OR IGNORE INTO touched_blobs (blob_id)
     SELECT s.blob_id FROM json_each(?) j CROSS JOIN streams s ON s.id = j.value`,
  )
  const dropPages = ['skeleton_pages', 'artifact_times'].map((table) =>
    prepare<[number]>(`DELETE FROM ${table} WHERE content_id = ? LIMIT ${pageBatch}`),
  )
  return (contentId) => {
    const rows = dropStreams.all(contentId)
    if (rows.length > 0) {
      touch.run(JSON.stringify(rows.map((row) => row.streamId)))
      return true
    }
    return dropPages.some((drop) => drop.run(contentId).changes > 0)
  }
}

/** Returns a function that deletes the leases of an ended session, while its client waits. Blobs
 *  held by a reference are no candidates for sweep, unless they have a stream besides their
 *  serving copy, which may no longer be needed. */
export function createLeaseClearing({
  prepare,
  stageInSteps,
}: Connection): (sessionId: number) => Promise<void> {
  const drop = prepare<[number], { blobId: number }>(
    `DELETE FROM leases WHERE session_id = ? RETURNING blob_id AS blobId LIMIT ${batch}`,
  )
  const touch = prepare<[string]>(
    `INSERT OR IGNORE INTO touched_blobs (blob_id)
     SELECT b.id FROM json_each(?) j CROSS JOIN blobs b ON b.id = j.value
     WHERE NOT EXISTS (SELECT 1 FROM "references" r WHERE r.blob_id = b.id)
        OR EXISTS (SELECT 1 FROM streams s WHERE s.blob_id = b.id AND s.id IS NOT b.copy_stream_id)`,
  )
  return (sessionId) =>
    stageInSteps(
      () => {
        const rows = drop.all(sessionId)
        if (rows.length === 0) return false
        touch.run(JSON.stringify(rows.map((row) => row.blobId)))
        return true
      },
      { isAwaited: true },
    )
}

/** Returns a function that deletes the offered pages of a session, which nobody will read again. */
export function createOfferClearing({
  prepare,
  stageInSteps,
}: Connection): (sessionId: number) => Promise<void> {
  const drop = prepare<[number]>(
    `DELETE FROM offered_pages WHERE session_id = ? LIMIT ${pageBatch}`,
  )
  return (sessionId) => stageInSteps(() => drop.run(sessionId).changes > 0, { isAwaited: true })
}
