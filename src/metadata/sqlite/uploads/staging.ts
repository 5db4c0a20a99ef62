/** Staging: rows of an artifact being created, in batches that nobody reads before the commit.
 *  Reference rows are real from the start, so nothing staged can be swept. */
import assert from 'node:assert'
import { manifestState } from '../../../../schema/artifacts.ts'
import { digestToBytes } from '../../../core/bytes/digest.ts'
import { comparePaths } from '../../../core/manifest/entry.ts'
import { notFound } from '../../../core/errors.ts'
import { limits } from '../../../core/limits.ts'
import type { ManifestSummary } from '../../../core/manifest/manifest.ts'
import { type PageEntry, encodeManifestPage } from '../../manifest-page.ts'
import type { Metadata, StoredEntry } from '../../metadata.ts'
import type { Connection } from '../connection/connection.ts'
import { createReferenceInsertion } from './reference-insertion.ts'
import { createManifestLeaser, createSessionFinder, type SessionRow } from '../blobs/leases.ts'

export function createManifestOpening(
  connection: Connection,
): Pick<Metadata, 'stageManifest' | 'stageNewManifest'> {
  const { prepare, stage } = connection
  const findSession = createSessionFinder(connection)
  const findLive = prepare<[number, Buffer], { id: number; entryCount: number }>(
    `SELECT id, entry_count AS entryCount FROM manifests
     WHERE project_id = ? AND tree_digest = ? AND state = ${manifestState.live}`,
  )
  const leaseManifest = createManifestLeaser(connection)
  // Manifests of an earlier attempt at this commit.
  const dropStaged = prepare<[number]>(
    `UPDATE manifests SET state = ${manifestState.dying} WHERE session_id = ? AND state = ${manifestState.staged}`,
  )
  const insert = prepare<[number, Buffer, number, number, number, number], { id: number }>(
    `INSERT INTO manifests (project_id, tree_digest, entry_count, file_count, logical_bytes, state, session_id,
       page_count, staged_entries, fresh_bytes, project_fresh_bytes)
     VALUES (?, ?, ?, ?, ?, ${manifestState.staged}, ?, 0, 0, 0, 0) RETURNING id`,
  )
  const begin = (session: SessionRow, manifest: ManifestSummary): number => {
    dropStaged.run(session.id)
    const { treeDigest, entryCount, fileCount, logicalBytes } = manifest
    const digest = digestToBytes(treeDigest)
    const counts = [entryCount, fileCount, logicalBytes] as const
    return insert.get(session.projectId, digest, ...counts, session.id)!.id
  }

  return {
    stageManifest: async (sessionName, manifest) =>
      stage(() => {
        const session = findSession(sessionName)
        const live = findLive.get(session.projectId, digestToBytes(manifest.treeDigest))
        if (live === undefined) {
          const { entryCount } = manifest
          return { manifestId: begin(session, manifest), entryCount, exists: false }
        }
        dropStaged.run(session.id)
        leaseManifest(session.id, live.id, 'publish')
        return { manifestId: live.id, entryCount: live.entryCount, exists: true }
      }),
    stageNewManifest: async (sessionName, manifest) =>
      stage(() => begin(findSession(sessionName), manifest)),
  }
}

interface StagedManifestRow {
  projectId: number
  sessionId: number | null
  state: number
  pageCount: number
  entryCount: number
  stagedEntries: number
}

export function createPageStaging(connection: Connection): Metadata['stageManifestPage'] {
  const { prepare, stage } = connection
  const findSession = createSessionFinder(connection)
  const addReferences = createReferenceInsertion(connection)
  const findStaged = prepare<[number], StagedManifestRow>(
    `SELECT project_id AS projectId, session_id AS sessionId, state, page_count AS pageCount,
       entry_count AS entryCount, staged_entries AS stagedEntries
     FROM manifests WHERE id = ?`,
  )
  const lastPath = prepare<[number, number], { path: Buffer }>(
    'SELECT last_path AS path FROM manifest_pages WHERE manifest_id = ? AND page = ?',
  )
  const insertPage = prepare<[number, number, number, Buffer, Buffer, Buffer]>(
    `INSERT INTO manifest_pages (manifest_id, page, entry_count, first_path, last_path, bytes)
     VALUES (?, ?, ?, ?, ?, ?)`,
  )
  const countPage = prepare<[number, number]>(
    `UPDATE manifests SET page_count = page_count + 1, staged_entries = staged_entries + ?
     WHERE id = ?`,
  )

  const checkOrder = (
    manifestId: number,
    page: number,
    entries: readonly { path: string }[],
  ): void => {
    let previous = page === 0 ? '' : lastPath.get(manifestId, page - 1)!.path.toString()
    for (const { path } of entries) {
      assert(comparePaths(previous, path) < 0, `entries out of order: ${previous} before ${path}`)
      previous = path
    }
  }

  return async (sessionName, manifestId, page, entries) => {
    const most = limits.manifestPageEntries
    assert(entries.length > 0 && entries.length <= most, `a page holds 1 to ${most} entries`)
    return stage(() => {
      const session = findSession(sessionName)
      const manifest = findStaged.get(manifestId)
      assert(
        manifest?.state === manifestState.staged && manifest.sessionId === session.id,
        `manifest ${manifestId} is not staged by this session`,
      )
      assert.equal(page, manifest.pageCount, 'pages must be staged in order')
      // Only the last page may be partly filled, so that an entry's page follows from its
      // position.
      assert.equal(manifest.stagedEntries, page * limits.manifestPageEntries)
      checkOrder(manifestId, page, entries)
      const placed = addReferences(session, manifestId, entries)
      const [first, last] = [entries[0]!, entries.at(-1)!]
      insertPage.run(
        manifestId,
        page,
        entries.length,
        Buffer.from(first.path),
        Buffer.from(last.path),
        encodeManifestPage(placed.map(toPageEntry)),
      )
      countPage.run(entries.length, manifestId)
      return placed
    })
  }
}

function toPageEntry(entry: StoredEntry): PageEntry {
  if (entry.kind !== 'file') return entry
  return { kind: 'file', path: entry.path, mode: entry.mode, blobId: entry.blob.blobId }
}

export function createContentStaging(
  connection: Connection,
): Pick<Metadata, 'stageTimes' | 'readStagedTimes' | 'stageSkeletonPage'> {
  const { prepare, stage } = connection
  const findSession = createSessionFinder(connection)
  const insertTimes = prepare<[number, number, Uint8Array]>(
    `INSERT INTO artifact_times (content_id, page, bytes) VALUES (?, ?, ?)
     ON CONFLICT (content_id, page) DO UPDATE SET bytes = excluded.bytes`,
  )
  const findTimes = prepare<[number, number], { bytes: Buffer }>(
    'SELECT bytes FROM artifact_times WHERE content_id = ? AND page = ?',
  )
  const insertPage = prepare<[number, number, number, number, Uint8Array]>(
    `INSERT INTO skeleton_pages (content_id, page, local_offset, central_offset, bytes)
     VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (content_id, page) DO UPDATE SET local_offset = excluded.local_offset,
       central_offset = excluded.central_offset, bytes = excluded.bytes`,
  )
  const countStreams = prepare<[string], { count: number }>(
    'SELECT count(*) AS count FROM json_each(?) j CROSS JOIN streams s ON s.id = j.value',
  )
  // The serving copy of a blob that the manifest refers to is protected by that reference.
  const insertStreams = prepare<[number, string, number, number]>(
    `INSERT OR IGNORE INTO skeleton_streams (content_id, stream_id)
     SELECT ?, s.id FROM json_each(?) j
     CROSS JOIN streams s ON s.id = j.value
     CROSS JOIN blobs b ON b.id = s.blob_id
     WHERE b.copy_stream_id IS NOT s.id
       OR NOT EXISTS (SELECT 1 FROM "references" r WHERE r.blob_id = b.id AND r.manifest_id IN
         (SELECT m.id FROM manifests m WHERE m.session_id = ? AND m.state = ${manifestState.staged}
          UNION ALL SELECT l.manifest_id FROM manifest_leases l WHERE l.session_id = ?))`,
  )

  return {
    stageTimes: async (sessionName, page, bytes) => {
      stage(() => insertTimes.run(findSession(sessionName).id, page, bytes))
    },
    readStagedTimes: async (sessionName, page) =>
      findTimes.get(findSession(sessionName).id, page)?.bytes,
    stageSkeletonPage: async (
      sessionName,
      { page, localOffset, centralOffset, bytes },
      streamIds,
    ) => {
      stage(() => {
        const { id } = findSession(sessionName)
        const list = JSON.stringify([...new Set(streamIds)])
        if (countStreams.get(list)!.count !== new Set(streamIds).size) {
          throw notFound('stream', 'a stream of the skeleton is not stored')
        }
        insertPage.run(id, page, localOffset, centralOffset, bytes)
        insertStreams.run(id, list, id, id)
      })
    },
  }
}
