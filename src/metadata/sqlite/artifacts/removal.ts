/** Removal. Ending an artifact or a session is one short transaction that makes it invisible;
 *  its rows are deleted in small steps afterwards. Rows left by a crash are found by their state
 *  (`dying` manifests, removed artifacts with content, ended sessions) and the next call deletes
 *  them. A removed artifact keeps its rows while its removal can be undone and while it is being
 *  read (`releasable_at`); release.ts ends that.
 *
 *  Order (invariant 5): references first. A blob that loses a reference, a lease or a skeleton
 *  becomes a candidate for sweep in the same transaction (clearing.ts); sweep.ts does the rest. */
import { manifestState } from '../../../../schema/artifacts.ts'
import { packState } from '../../../../schema/content.ts'
import { sessionState } from '../../../../schema/sessions.ts'
import { type CountedArtifact, createArtifactCounting } from './artifact-counting.ts'
import {
  createContentClearing,
  createLeaseClearing,
  createManifestClearing,
  createOfferClearing,
} from './clearing.ts'
import type { ArtifactRemoval } from '../../metadata.ts'
import type { Connection } from '../connection/connection.ts'
import { isBeingRead, type UnwrittenLeases } from './read-leases.ts'

export interface Removal {
  /** Inside a transaction: turns a live artifact into a tombstone; false when it is not live. */
  endArtifact(artifactId: number, end: ArtifactRemoval): boolean
  /** Inside a transaction: releases the rows of a removed artifact, unless it is being read at
   *  `now`; returns whether it did. */
  releaseArtifact(artifactId: number, now: number): boolean
  /** Inside a transaction: marks the manifest as dying when no artifact holds it and no session
   *  uses it. */
  releaseManifest(manifestId: number): void
  /** Inside a transaction: ends a live session. Its leases no longer count, its staged manifests
   *  die, and its packs count as whole, since nothing more will be registered. */
  closeSession(sessionId: number, state: 'committed' | 'aborted'): void
  /** Inside a transaction: staged manifests of the session die, and it no longer uses others,
   *  but for the base of its changes. */
  unstageManifests(sessionId: number): void
  /** Deletes the rows of an ended session. */
  clearSession(sessionId: number): Promise<void>
  /** Aborts the session of that name if it is live, and deletes its rows. A no-op for an unknown
   *  session. */
  endSession(name: string): Promise<void>
  /** Deletes released rows, whoever removed the artifacts, in at most `stepsMax` steps; returns
   *  whether there may be more. */
  clearRemoved(stepsMax: number): Promise<boolean>
  /** The same for a few steps, if this connection has removed anything since the last call. The
   *  rows of one removal are usually gone at once, and no request waits for a thousand others;
   *  the next sweep does the rest. */
  clearBriefly(): Promise<void>
}

const briefSteps = 4

export function createRemoval(connection: Connection, unwritten: UnwrittenLeases): Removal {
  const { prepare, write, stage, stageSteps } = connection
  let hasRemoved = false
  const onRelease = (): void => {
    hasRemoved = true
  }
  const artifactEnding = createArtifactEnding(connection, unwritten, onRelease)
  const clearManifest = createManifestClearing(connection)
  const clearContent = createContentClearing(connection)
  const clearLeases = createLeaseClearing(connection)
  const clearOffered = createOfferClearing(connection)

  const close = prepare<[number, number]>(
    'UPDATE sessions SET state = ?, leased_until = 0 WHERE id = ?',
  )
  const dropStaged = prepare<[number]>(
    `UPDATE manifests SET state = ${manifestState.dying} WHERE session_id = ? AND state = ${manifestState.staged}`,
  )
  // No more copies will be registered in these packs, and others may hold what is there.
  const endFilling = prepare<[number]>(
    `UPDATE packs SET state = ${packState.whole} WHERE session_id = ? AND state = ${packState.filling}`,
  )
  const dropLeases = prepare<[number, number], { id: number }>(
    'DELETE FROM manifest_leases WHERE session_id = ? AND is_base <= ? RETURNING manifest_id AS id',
  )
  const sessionByName = prepare<[string], { id: number; state: number }>(
    'SELECT id, state FROM sessions WHERE name = ?',
  )
  const sessionById = prepare<[number], { state: number }>(
    'SELECT state FROM sessions WHERE id = ?',
  )
  const deleteSession = prepare<[number]>('DELETE FROM sessions WHERE id = ?')
  const dyingManifest = prepare<[], { id: number }>(
    `SELECT id FROM manifests WHERE state = ${manifestState.dying} LIMIT 1`,
  )
  const unclearedArtifact = prepare<[], { id: number; contentId: number }>(
    // Named, because SQLite would choose the index of all tombstones and skip thousands of them.
    `SELECT id, content_id AS contentId FROM artifacts INDEXED BY artifacts_uncleared
     WHERE removed_at IS NOT NULL AND releasable_at IS NULL AND content_id IS NOT NULL LIMIT 1`,
  )
  const markCleared = prepare<[number]>('UPDATE artifacts SET content_id = NULL WHERE id = ?')

  const dropManifests = (sessionId: number, { withBase }: { withBase: boolean }): void => {
    if (dropStaged.run(sessionId).changes > 0) onRelease()
    const leased = dropLeases.all(sessionId, withBase ? 1 : 0)
    for (const { id } of leased) artifactEnding.releaseManifest(id)
  }
  const closeSession = (sessionId: number, state: 'committed' | 'aborted'): void => {
    close.run(sessionState[state], sessionId)
    endFilling.run(sessionId)
    dropManifests(sessionId, { withBase: true })
  }

  /** Deletes some rows of one removed thing; false when nothing is left. */
  const clearSome = (): boolean => {
    const manifest = dyingManifest.get()
    if (manifest !== undefined) {
      clearManifest(manifest.id)
      return true
    }
    const artifact = unclearedArtifact.get()
    if (artifact === undefined) return false
    if (!clearContent(artifact.contentId)) markCleared.run(artifact.id)
    return true
  }
  const clearRemoved = async (stepsMax: number): Promise<boolean> => {
    let steps = 0
    let isMore = true
    await connection.stageInSteps(() => (isMore = clearSome()) && ++steps < stepsMax)
    return isMore
  }
  const clearBriefly = async (): Promise<void> => {
    if (!hasRemoved) return
    hasRemoved = false
    for (let step = 0; step < briefSteps && stageSteps(clearSome); step++) await connection.turn()
  }

  const clearSession = async (sessionId: number): Promise<void> => {
    await clearLeases(sessionId)
    await clearOffered(sessionId)
    // The rows staged by a committed session belong to its artifact.
    if (sessionById.get(sessionId)?.state === sessionState.aborted) {
      await connection.stageInSteps(() => clearContent(sessionId))
    }
    await clearBriefly()
    stage(() => deleteSession.run(sessionId))
  }

  return {
    ...artifactEnding,
    closeSession,
    unstageManifests: (sessionId) => dropManifests(sessionId, { withBase: false }),
    clearSession,
    clearRemoved,
    clearBriefly,
    endSession: async (name) => {
      const session = write(() => {
        const found = sessionByName.get(name)
        if (found?.state === sessionState.live) closeSession(found.id, 'aborted')
        return found
      })
      if (session) await clearSession(session.id)
    },
  }
}

/** `onRelease` is called when rows are released. */
function createArtifactEnding(
  connection: Connection,
  unwritten: UnwrittenLeases,
  onRelease: () => void,
): Pick<Removal, 'endArtifact' | 'releaseArtifact' | 'releaseManifest'> {
  const { prepare } = connection
  const markRemoved = prepare<[string, number, string, number, number], CountedArtifact>(
    `UPDATE artifacts SET state = ?, removed_at = ?, removed_reason = ?, releasable_at = ?
     WHERE id = ? AND removed_at IS NULL
     RETURNING project_id AS projectId, manifest_id AS manifestId, new_bytes AS newBytes`,
  )
  const count = createArtifactCounting(connection)
  const releaseRows = prepare<[number, number], CountedArtifact>(
    `UPDATE artifacts AS a SET releasable_at = NULL
     WHERE a.id = ? AND a.releasable_at IS NOT NULL AND NOT ${isBeingRead}
     RETURNING project_id AS projectId, manifest_id AS manifestId, new_bytes AS newBytes`,
  )
  // `artifacts_holding` skips artifacts already released: thousands of builds can have made the
  // same tree.
  const markDying = prepare<[number]>(
    `UPDATE manifests SET state = ${manifestState.dying}
     WHERE id = ? AND state IN (${manifestState.live}, ${manifestState.retired})
       AND NOT EXISTS (SELECT 1 FROM artifacts a INDEXED BY artifacts_holding WHERE a.manifest_id = manifests.id
         AND (a.removed_at IS NULL OR a.releasable_at IS NOT NULL))
       AND NOT EXISTS (SELECT 1 FROM manifest_leases l WHERE l.manifest_id = manifests.id)`,
  )
  const releaseManifest = (manifestId: number): void => {
    if (markDying.run(manifestId).changes > 0) onRelease()
  }
  const releaseArtifact = (artifactId: number, now: number): boolean => {
    const released = unwritten.anyAt(now) ? undefined : releaseRows.get(artifactId, now)
    if (released === undefined) return false
    count(released, { removed: -1 })
    releaseManifest(released.manifestId)
    onRelease()
    return true
  }
  return {
    releaseManifest,
    releaseArtifact,
    endArtifact: (artifactId, { state, reason, now, undoMs = 0 }) => {
      const ended = markRemoved.get(state, now, reason, now + undoMs, artifactId)
      if (!ended) return false
      count(ended, { live: -1, removed: 1 })
      if (undoMs === 0) releaseArtifact(artifactId, now)
      return true
    },
  }
}
