/** Negotiated uploads: sessions that outlive a request and a process, what clients have sent in
 *  them, and what clients need not send. */
import { manifestState } from '../../../../schema/artifacts.ts'
import { randomBytes } from 'node:crypto'
import { offeredKind, sessionState } from '../../../../schema/sessions.ts'
import {
  createDigestHasher,
  type Digest,
  digestFromBytes,
  digestToBytes,
} from '../../../core/bytes/digest.ts'
import { notFound } from '../../../core/errors.ts'
import type { ProjectName } from '../../../core/run/run.ts'
import type { KnownTree, Metadata } from '../../metadata.ts'
import type { Connection } from '../connection/connection.ts'
import { createPages } from '../trees/manifest-source.ts'
import type { OpenUploadsCheck } from './open-uploads.ts'
import { createManifestLeaser, createSessionFinder } from '../blobs/leases.ts'

type SessionMethods = Pick<
  Metadata,
  'openOfferSession' | 'hasOfferSession' | 'findSession' | 'sessionPackBytes'
>
type OfferedMethods = Pick<Metadata, 'stageOffered' | 'readOffered' | 'dropOffered'>
type TreeMethods = Pick<
  Metadata,
  'findKnownTree' | 'leaseKnownTree' | 'readLeasedPage' | 'readTimesDigest' | 'stageTimesOf'
>

export function createOfferSessions(
  connection: Connection,
  checkOpen: OpenUploadsCheck,
): SessionMethods {
  const { prepare, stage } = connection
  const findByOffer = prepare<[Buffer, number], { name: string }>(
    `SELECT name FROM sessions WHERE offer = ? AND state = ${sessionState.live} AND project_id = ?`,
  )
  const hasLive = prepare<[Buffer, number]>(
    `SELECT 1 FROM sessions WHERE offer = ? AND state = ${sessionState.live} AND leased_until > ?`,
  )
  const renew = prepare<[number, string]>(
    'UPDATE sessions SET leased_until = max(leased_until, ?) WHERE name = ?',
  )
  // A session past its lease may have lost blobs, so it is not resumed; recovery deletes it.
  const dropExpired = prepare<[Buffer, number]>(
    'UPDATE sessions SET offer = NULL WHERE offer = ? AND leased_until <= ?',
  )
  const insert = prepare<[string, number, number, number, Buffer]>(
    `INSERT INTO sessions (name, project_id, state, created_at, leased_until, offer)
     VALUES (?, ?, ${sessionState.live}, ?, ?, ?)`,
  )
  const find = prepare<[string], { projectId: number; project: ProjectName; offer: Buffer | null }>(
    `SELECT s.project_id AS projectId, p.owner_repo AS project, s.offer
     FROM sessions s JOIN projects p ON p.id = s.project_id
     WHERE s.name = ? AND s.state = ${sessionState.live}`,
  )
  const packBytes = prepare<[number], { bytes: number }>(
    'SELECT coalesce(sum(size_bytes), 0) AS bytes FROM packs WHERE session_id = ?',
  )
  const findLive = createSessionFinder(connection)
  return {
    openOfferSession: async ({ projectId, offer, now, leaseMs }) =>
      stage(() => {
        const key = digestToBytes(offer)
        dropExpired.run(key, now)
        const known = findByOffer.get(key, projectId)
        if (known) {
          renew.run(now + leaseMs, known.name)
          return { sessionId: known.name, resumed: true }
        }
        const name = randomBytes(16).toString('hex')
        insert.run(name, projectId, now, now + leaseMs, key)
        checkOpen(projectId)
        return { sessionId: name, resumed: false }
      }),
    hasOfferSession: async (offer, now) => hasLive.get(digestToBytes(offer), now) !== undefined,
    findSession: async (name) => {
      const row = find.get(name)
      return row && { ...row, offer: row.offer && digestFromBytes(row.offer) }
    },
    sessionPackBytes: async (name) => packBytes.get(findLive(name).id)!.bytes,
  }
}

export function createOfferedPages(connection: Connection): OfferedMethods {
  const { prepare, stage } = connection
  const findSession = createSessionFinder(connection)
  const nextPage = prepare<[number, number], { page: number }>(
    'SELECT coalesce(max(page), -1) + 1 AS page FROM offered_pages WHERE session_id = ? AND kind = ?',
  )
  const insert = prepare<[number, number, number, Uint8Array]>(
    `INSERT INTO offered_pages (session_id, kind, page, bytes) VALUES (?, ?, ?, ?)
     ON CONFLICT (session_id, kind, page) DO UPDATE SET bytes = excluded.bytes`,
  )
  // The length is compared first, since it is known without reading the bytes.
  const isKept = prepare<[number, number, number, Uint8Array]>(
    `SELECT 1 FROM offered_pages
     WHERE session_id = ? AND kind = ? AND length(bytes) = ? AND bytes = ? LIMIT 1`,
  )
  const find = prepare<[number, number, number], { bytes: Buffer }>(
    'SELECT bytes FROM offered_pages WHERE session_id = ? AND kind = ? AND page = ?',
  )
  const drop = prepare<[number, number, number]>(
    'DELETE FROM offered_pages WHERE session_id = ? AND kind = ? AND page >= ?',
  )
  return {
    stageOffered: async (name, kind, page, bytes) => {
      stage(() => {
        const { id } = findSession(name)
        const of = offeredKind[kind]
        if (page === null && isKept.get(id, of, bytes.length, bytes)) return
        insert.run(id, of, page ?? nextPage.get(id, of)!.page, bytes)
      })
    },
    readOffered: async (name, kind, page) =>
      find.get(findSession(name).id, offeredKind[kind], page)?.bytes,
    dropOffered: async (name, kind, from) => {
      stage(() => drop.run(findSession(name).id, offeredKind[kind], from))
    },
  }
}

const knownArtifactsMax = 5

export function createKnownTrees(connection: Connection): TreeMethods {
  const { prepare, stage } = connection
  const findSession = createSessionFinder(connection)
  const findManifest = prepare<[number, Buffer], { id: number }>(
    `SELECT id FROM manifests
     WHERE project_id = ? AND tree_digest = ? AND state = ${manifestState.live}`,
  )
  // An artifact that holds anything damaged is not `available`, and nothing that a live artifact
  // refers to is deleted.
  const findArtifacts = prepare<[number, number], KnownTree['artifacts'][number]>(
    `SELECT id, kind, zip_bytes AS zipBytes, zip_pages AS zipPages, tar_gz_bytes AS tarGzBytes FROM artifacts
     WHERE manifest_id = ? AND removed_at IS NULL AND state = 'available' AND ends_at > ?
     ORDER BY id DESC LIMIT ${knownArtifactsMax}`,
  )
  const timesOf = prepare<[number], { bytes: Buffer }>(
    `SELECT t.bytes FROM artifacts a CROSS JOIN artifact_times t ON t.content_id = a.content_id
     WHERE a.id = ? ORDER BY t.page`,
  )
  const copyTimes = prepare<[number, number, number]>(
    `INSERT OR REPLACE INTO artifact_times (content_id, page, bytes)
     SELECT ?, t.page, t.bytes FROM artifacts a CROSS JOIN artifact_times t ON t.content_id = a.content_id
     WHERE a.id = ? AND a.project_id = ?`,
  )
  const leaseManifest = createManifestLeaser(connection)
  const isLeased = prepare<[number, number]>(
    'SELECT 1 FROM manifest_leases WHERE session_id = ? AND manifest_id = ?',
  )
  const pages = createPages(connection)
  const find = (projectId: number, treeDigest: Digest, now: number): KnownTree | undefined => {
    const manifest = findManifest.get(projectId, digestToBytes(treeDigest))
    if (!manifest) return undefined
    const artifacts = findArtifacts.all(manifest.id, now)
    return artifacts.length === 0 ? undefined : { manifestId: manifest.id, artifacts }
  }
  return {
    findKnownTree: async (projectId, treeDigest, now) => find(projectId, treeDigest, now),
    leaseKnownTree: async (name, treeDigest, now) =>
      stage(() => {
        const { id, projectId } = findSession(name)
        const known = find(projectId, treeDigest, now)
        if (known !== undefined) leaseManifest(id, known.manifestId, 'base')
        return known?.manifestId
      }),
    readLeasedPage: async (name, manifestId, page) => {
      if (!isLeased.get(findSession(name).id, manifestId)) {
        throw notFound('manifest', `the upload has no lease on manifest ${manifestId}`)
      }
      return pages.find(manifestId, page)
    },
    readTimesDigest: async (artifactId) => {
      const hasher = createDigestHasher()
      for (const { bytes } of timesOf.iterate(artifactId)) hasher.update(bytes)
      return hasher.digest()
    },
    stageTimesOf: async (name, artifactId) => {
      stage(() => {
        const session = findSession(name)
        copyTimes.run(session.id, artifactId, session.projectId)
      })
    },
  }
}
