/** Taking things away. Ending an artifact or a session is one short transaction that makes it invisible; the rows
 *  behind it go in small steps afterwards. What a crash leaves of them is found by its state (`dying` manifests, removed
 *  artifacts with content, ended sessions) and finished by the next call. A removed artifact keeps its rows while its
 *  removal can be undone and while somebody reads it (`releasable_at`); release.ts ends that.
 *
 *  Order (invariant 5): references first. A blob that loses a reference, a lease or a skeleton becomes a candidate of
 *  sweep in the same transaction (clearing.ts); sweep.ts does the rest. */
import { manifestState } from '../../../../schema/artifacts.ts'
import { packState } from '../../../../schema/content.ts'
import { sessionState } from '../../../../schema/sessions.ts'
import { createArtifactCounting } from './artifact-counting.ts'
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
  /** Inside a transaction: makes a live artifact a tombstone; false when it is not live. */
  endArtifact(artifactId: number, end: ArtifactRemoval): boolean
  /** Inside a transaction: a removed artifact lets go of its rows, unless somebody reads it at `now`; whether it did. */
  releaseArtifact(artifactId: number, now: number): boolean
  /** Inside a transaction: the manifest begins to die when no artifact holds it and no session uses it. */
  releaseManifest(manifestId: number): void
  /** Inside a transaction: ends a live session; its leases count no more, its staged manifests die, and its packs are
   *  as whole as they will be. */
  closeSession(sessionId: number, state: 'committed' | 'aborted'): void
  /** Takes away the rows of an ended session. */
  clearSession(sessionId: number): Promise<void>
  /** Aborts the session of that name if it is live, and takes its rows away. Harmless when it is unknown. */
  endSession(name: string): Promise<void>
  /** Takes away rows of what has been removed and lets go of them, whoever removed it, in at most `stepsMax` steps; whether
   *  there may be more. */
  clearRemoved(stepsMax: number): Promise<boolean>
  /** The same for a few steps, if this connection has removed anything since it did so last: what one removal leaves is
   *  gone at once as a rule, and no request waits for a thousand others. The next sweep does the rest. */
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
    `UPDATE manifests SET state = ${manifestState.dying} WHERE session_id = ? AND state = 0`,
  )
  // Nothing more will be registered of them, and what is there others may hold.
  const endFilling = prepare<[number]>(
    `UPDATE packs SET state = ${packState.whole} WHERE session_id = ? AND state = ${packState.filling}`,
  )
  const leasedManifests = prepare<[number], { id: number }>(
    'DELETE FROM manifest_leases WHERE session_id = ? RETURNING manifest_id AS id',
  )
  const sessionByName = prepare<[string], { id: number; state: number }>(
    'SELECT id, state FROM sessions WHERE name = ?',
  )
  const sessionById = prepare<[number], { state: number }>(
    'SELECT state FROM sessions WHERE id = ?',
  )
  const deleteSession = prepare<[number]>('DELETE FROM sessions WHERE id = ?')
  const dyingManifest = prepare<[], { id: number }>(
    'SELECT id FROM manifests WHERE state = 3 LIMIT 1',
  )
  const unclearedArtifact = prepare<[], { id: number; contentId: number }>(
    // Named, because SQLite would take the index of all tombstones and pass over thousands of them.
    `SELECT id, content_id AS contentId FROM artifacts INDEXED BY artifacts_uncleared
     WHERE removed_at IS NOT NULL AND releasable_at IS NULL AND content_id IS NOT NULL LIMIT 1`,
  )
  const markCleared = prepare<[number]>('UPDATE artifacts SET content_id = NULL WHERE id = ?')

  const closeSession = (sessionId: number, state: 'committed' | 'aborted'): void => {
    close.run(sessionState[state], sessionId)
    endFilling.run(sessionId)
    if (dropStaged.run(sessionId).changes > 0) onRelease()
    for (const { id } of leasedManifests.all(sessionId)) artifactEnding.releaseManifest(id)
  }

  /** Takes some rows of one removed thing away; false when nothing is left. */
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
    // What a committed session staged belongs to its artifact now.
    if (sessionById.get(sessionId)?.state === sessionState.aborted) {
      await connection.stageInSteps(() => clearContent(sessionId))
    }
    await clearBriefly()
    stage(() => deleteSession.run(sessionId))
  }

  return {
    ...artifactEnding,
    closeSession,
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

/** `onRelease`: told when something lets go of its rows. */
function createArtifactEnding(
  connection: Connection,
  unwritten: UnwrittenLeases,
  onRelease: () => void,
): Pick<Removal, 'endArtifact' | 'releaseArtifact' | 'releaseManifest'> {
  const { prepare } = connection
  const bury = prepare<[string, number, string, number, number], BuriedRow>(
    `UPDATE artifacts SET state = ?, removed_at = ?, removed_reason = ?, releasable_at = ?
     WHERE id = ? AND removed_at IS NULL
     RETURNING project_id AS projectId, manifest_id AS manifestId`,
  )
  const count = createArtifactCounting(connection)
  const letGo = prepare<[number, number], { manifestId: number }>(
    `UPDATE artifacts AS a SET releasable_at = NULL
     WHERE a.id = ? AND a.releasable_at IS NOT NULL AND NOT ${isBeingRead}
     RETURNING manifest_id AS manifestId`,
  )
  // Without those that let go of it before: thousands of builds can have made the same tree.
  const release = prepare<[number]>(
    `UPDATE manifests SET state = ${manifestState.dying}
     WHERE id = ? AND state IN (1, 2)
       AND NOT EXISTS (SELECT 1 FROM artifacts a INDEXED BY artifacts_holding WHERE a.manifest_id = manifests.id
         AND (a.removed_at IS NULL OR a.releasable_at IS NOT NULL))
       AND NOT EXISTS (SELECT 1 FROM manifest_leases l WHERE l.manifest_id = manifests.id)`,
  )
  const releaseManifest = (manifestId: number): void => {
    if (release.run(manifestId).changes > 0) onRelease()
  }
  const releaseArtifact = (artifactId: number, now: number): boolean => {
    const released = unwritten.anyAt(now) ? undefined : letGo.get(artifactId, now)
    if (released === undefined) return false
    releaseManifest(released.manifestId)
    onRelease()
    return true
  }
  return {
    releaseManifest,
    releaseArtifact,
    endArtifact: (artifactId, { state, reason, now, undoMs = 0 }) => {
      const buried = bury.get(state, now, reason, now + undoMs, artifactId)
      if (!buried) return false
      count(buried, -1)
      if (undoMs === 0) releaseArtifact(artifactId, now)
      return true
    },
  }
}

interface BuriedRow {
  projectId: number
  manifestId: number
}
