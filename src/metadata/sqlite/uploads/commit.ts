/** The commit: one short transaction, whatever the size of the artifact, because everything
 *  large was staged before and changes owner with a few rows. */
import assert from 'node:assert'
import { eq, sql } from 'drizzle-orm'
import { artifacts, manifestState, manifests } from '../../../../schema/artifacts.ts'
import { runs } from '../../../../schema/runs.ts'
import { uploadState, uploads } from '../../../../schema/stock-uploads.ts'
import { refuseReplacement } from '../../../core/artifact.ts'
import { digestToBytes } from '../../../core/bytes/digest.ts'
import { notFound, storeError } from '../../../core/errors.ts'
import { latestBranch } from '../../../core/policy/keep-latest.ts'
import { replacedReason } from '../../../core/policy/retention.ts'
import type { Metadata, NewArtifact, Published } from '../../metadata.ts'
import { createArtifactCounting } from '../artifacts/artifact-counting.ts'
import type { ArtifactChange } from '../artifacts/artifact-change.ts'
import { endOfTime } from '../artifacts/latest.ts'
import { createArtifactFinder } from '../artifacts/artifacts.ts'
import { type NameHolder, createLiveHolderFinder } from '../artifacts/name-holder.ts'
import type { Connection } from '../connection/connection.ts'
import type { Removal } from '../artifacts/removal.ts'
import { type SessionRow, createSessionFinder } from '../blobs/leases.ts'

type ManifestRow = typeof manifests.$inferSelect
type ManifestFinder = (id: number) => ManifestRow | undefined

interface FreedName {
  same?: number
  replaced?: number
  pinned?: boolean
}

export function createCommit(
  connection: Connection,
  { removal, damage, latest, checkBounds, audit }: ArtifactChange,
): Metadata['commitArtifact'] {
  const { orm, write } = connection
  const findSession = createSessionFinder(connection)
  const findManifest = createManifestFinder(connection)
  const manifestRows = createManifestPublication(connection, findManifest)
  const freeName = createNameFreeing(connection, removal, findManifest)
  const insertArtifact = createArtifactInsertion(connection)
  const findArtifact = createArtifactFinder(connection)

  /** Errors: not_found (the upload was replaced or dropped in the meantime, so nobody waits for
   *  this artifact). */
  const finishUpload = (uploadId: string, artifactId: number): void => {
    const isUpload = eq(uploads.id, uploadId)
    const done = { state: uploadState.done, artifactId }
    const { changes } = orm.update(uploads).set(done).where(isUpload).run()
    if (changes === 0) throw notFound('upload', `no upload ${uploadId}`)
  }

  const publish = (session: SessionRow, wanted: NewArtifact): Published => {
    const manifest = manifestRows.find(session, wanted.manifestId)
    // After a clock was set back, what had already expired for the uploader stays expired.
    const now = Math.max(wanted.now, wanted.createdAt)
    const { same, replaced, pinned = false } = freeName(wanted, manifest.treeDigest, now)
    const artifactId =
      same ??
      insertArtifact(
        session,
        { id: manifestRows.publish(session, manifest), logicalBytes: manifest.logicalBytes },
        { ...wanted, pinned },
      )
    if (same === undefined) {
      checkBounds({ runId: wanted.runId, projectId: session.projectId }, now)
      // Damage found since the manifest was staged was not attributed to this artifact.
      damage.judge(artifactId)
      latest.settle(artifactId, now)
    }
    if (replaced !== undefined) {
      const author = wanted.by && { at: now, by: wanted.by }
      audit.recordOf([replaced], author, { kind: 'replace', details: { replacedBy: artifactId } })
    }
    if (wanted.uploadId !== null) finishUpload(wanted.uploadId, artifactId)
    removal.closeSession(session.id, same === undefined ? 'committed' : 'aborted')
    return { artifact: findArtifact(artifactId)!, created: same === undefined }
  }

  return async (sessionName, wanted) => {
    const { sessionId, committed } = write(() => {
      const session = findSession(sessionName)
      return { sessionId: session.id, committed: publish(session, wanted) }
    })
    // The artifact is published whatever happens now; recovery finds what is left of the session
    // (`listSessions`).
    await removal.clearSession(sessionId).catch(() => undefined)
    connection.checkpoint()
    return committed
  }
}

function createManifestPublication(
  { prepare }: Connection,
  findManifest: ManifestFinder,
): {
  /** The manifest of that id, which the session staged or leases. */
  find(session: SessionRow, manifestId: number): ManifestRow
  /** Makes the manifest live and returns the id that the artifact is to use: that of an equal
   *  manifest, when another session published it first. An artifact with a skeleton keeps its
   *  own manifest, retired from the start, because the references of that manifest protect the
   *  streams that the skeleton names. */
  publish(session: SessionRow, manifest: ManifestRow): number
} {
  const findLive = prepare<[number, Buffer], { id: number }>(
    `SELECT id FROM manifests
     WHERE project_id = ? AND tree_digest = ? AND state = ${manifestState.live}`,
  )
  const isLeased = prepare<[number, number]>(
    'SELECT 1 FROM manifest_leases WHERE session_id = ? AND manifest_id = ?',
  )
  const hasSkeleton = prepare<[number]>('SELECT 1 FROM skeleton_pages WHERE content_id = ? LIMIT 1')
  const publishAs = prepare<[number, number]>(
    `UPDATE manifests SET state = ?, session_id = NULL, fresh_bytes = 0,
       project_fresh_bytes = 0
     WHERE id = ?`,
  )
  return {
    find: (session, manifestId) => {
      const manifest = findManifest(manifestId)
      assert(manifest?.projectId === session.projectId, `no manifest ${manifestId} in the project`)
      if (manifest.state === manifestState.staged) {
        assert.equal(
          manifest.sessionId,
          session.id,
          `manifest ${manifestId} is not staged by the session`,
        )
        assert.equal(manifest.stagedEntries, manifest.entryCount, 'the manifest is incomplete')
      } else {
        assert(isLeased.get(session.id, manifestId), `manifest ${manifestId} is not leased`)
      }
      return manifest
    },
    publish: (session, manifest) => {
      if (manifest.state !== manifestState.staged) return manifest.id
      const live = findLive.get(manifest.projectId, manifest.treeDigest)
      if (live && !hasSkeleton.get(session.id)) return live.id
      publishAs.run(live ? manifestState.retired : manifestState.live, manifest.id)
      return manifest.id
    },
  }
}

function createManifestFinder({ orm }: Connection): ManifestFinder {
  const query = orm
    .select()
    .from(manifests)
    .where(eq(manifests.id, sql.placeholder('id')))
    .prepare()
  return (id) => query.get({ id })
}

/** Returns a function that frees the name of an artifact. It returns the id of the existing
 *  artifact that already equals the upload (`same`), or of the one that was removed
 *  (`replaced`), and whether that one was kept, which a repetition of its upload inherits.
 *  Errors: name_taken, forbidden, busy (perhaps the existing artifact has expired). */
function createNameFreeing(
  connection: Connection,
  removal: Removal,
  findManifest: ManifestFinder,
): (wanted: NewArtifact, treeDigest: Buffer, now: number) => FreedName {
  const findHolder = createLiveHolderFinder(connection, removal)
  const isSame = (holder: NameHolder, wanted: NewArtifact, treeDigest: Buffer): boolean => {
    if (holder.job !== wanted.job || holder.kind !== wanted.kind) return false
    return findManifest(holder.manifestId)!.treeDigest.equals(treeDigest)
  }

  return (wanted, treeDigest, now) => {
    const holder = findHolder(wanted.runId, wanted.name, now)
    if (holder === undefined) return {}
    if (holder.endsAt <= now && !isReplacing(wanted)) throw perhapsExpired(wanted.name, holder)
    const same = wanted.onConflict === 'same' && isSame(holder, wanted, treeDigest)
    if (same && holder.state === 'available') return { same: holder.id }
    // Repeating an upload whose artifact has damage that could not be healed in place replaces that
    // artifact.
    if (!same) refuseReplacement(wanted, holder)
    removal.endArtifact(holder.id, { state: 'deleted', reason: replacedReason, now })
    return { replaced: holder.id, pinned: holder.pinned }
  }
}

function isReplacing({ onConflict }: NewArtifact): boolean {
  return onConflict === 'replace' || onConflict === 'replace-own'
}

function perhapsExpired(name: string, { id }: NameHolder): Error {
  const message =
    `the name ${JSON.stringify(name)} is held by artifact ${id}, which has expired by the server's clock; ` +
    'but that is ahead of the time known to have passed. Try again once the clock is right, or trusted again'
  return storeError('busy', message, { what: 'clock' })
}

function createArtifactInsertion(
  connection: Connection,
): (
  session: SessionRow,
  manifest: Pick<ManifestRow, 'id' | 'logicalBytes'>,
  wanted: NewArtifact & { pinned: boolean },
) => number {
  const { orm } = connection
  const count = createArtifactCounting(connection)
  const findRun = orm
    .select()
    .from(runs)
    .where(eq(runs.id, sql.placeholder('id')))
    .prepare()
  return (session, { id: manifestId, logicalBytes }, wanted) => {
    const run = findRun.get({ id: wanted.runId })
    assert(run?.projectId === session.projectId, `run ${wanted.runId} is not in the project`)
    const { onConflict: _onConflict, uploadId: _uploadId, by: _by, now: _now, ...columns } = wanted
    count({ manifestId, projectId: session.projectId, newBytes: wanted.newBytes }, { live: 1 })
    const row = orm
      .insert(artifacts)
      .values({
        ...columns,
        projectId: session.projectId,
        manifestId,
        contentId: session.id,
        state: 'available',
        zipDigest: wanted.zipDigest && digestToBytes(wanted.zipDigest),
        zipPages: wanted.zipPages && Buffer.from(wanted.zipPages),
        logicalBytes,
        latestOf: latestBranch(run),
        endsAt: wanted.pinned ? endOfTime : wanted.expiresAt,
        version: 1,
      })
      .returning({ id: artifacts.id })
      .get()
    return row.id
  }
}
