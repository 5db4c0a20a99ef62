/** Sessions: an ingest in progress, and what it claims. The rows of an ended session are deleted
 *  in small steps, which also makes the blobs that it leased candidates for sweep. */
import { sessionState } from '../../../../schema/sessions.ts'
import { blobState, streamState } from '../../../../schema/content.ts'
import { randomBytes } from 'node:crypto'
import { manifestState } from '../../../../schema/artifacts.ts'
import type { Digest } from '../../../core/bytes/digest.ts'
import type { KnownBlob, KnownStream, Metadata } from '../../metadata.ts'
import { createLeaser, createSessionFinder } from '../blobs/leases.ts'
import { codecs } from '../connection/codecs.ts'
import type { Connection } from '../connection/connection.ts'
import type { Removal } from '../artifacts/removal.ts'
import { prepareRows } from '../connection/rows.ts'

type SessionMethods = Pick<
  Metadata,
  'openSession' | 'renewSession' | 'unstageManifests' | 'abortSession' | 'listSessions'
>
type ClaimMethods = Pick<
  Metadata,
  'claimStreams' | 'claimBlobs' | 'claimReadableBlobs' | 'claimSentBlobs'
>

export function createSessionMethods(connection: Connection, removal: Removal): SessionMethods {
  const { prepare, stage } = connection
  const findSession = createSessionFinder(connection)
  const listStaging = prepare<[], { id: number }>(
    `SELECT session_id AS id FROM manifests INDEXED BY manifests_staged
     WHERE state = ${manifestState.staged}
     UNION SELECT session_id FROM manifest_leases WHERE is_base = 0`,
  )
  const insert = prepare<[string, number, number, number]>(
    `INSERT INTO sessions (name, project_id, state, created_at, leased_until)
     VALUES (?, ?, ${sessionState.live}, ?, ?)`,
  )
  const renew = prepare<[number, string]>(
    `UPDATE sessions SET leased_until = max(leased_until, ?)
     WHERE name = ? AND state = ${sessionState.live}`,
  )
  // Ended sessions that still have rows have a lease of 0, so this finds them too.
  const listExpired = prepare<[number, number, number], { name: string }>(
    `SELECT name FROM sessions
     WHERE leased_until <= ? AND (offer IS NULL OR leased_until <= ?) ORDER BY leased_until LIMIT ?`,
  )

  return {
    openSession: async ({ projectId, now, leaseMs }) => {
      const name = randomBytes(16).toString('hex')
      // Need not be durable: neither a session nor its process survives a power loss.
      stage(() => insert.run(name, projectId, now, now + leaseMs))
      return name
    },
    renewSession: async (name, now, leaseMs) => {
      const { changes } = stage(() => renew.run(now + leaseMs, name))
      if (changes === 0) findSession(name)
    },
    unstageManifests: async (name) => {
      stage(() => {
        const ids = name === null ? listStaging.all().map(({ id }) => id) : [findSession(name).id]
        for (const id of ids) removal.unstageManifests(id)
      })
      await removal.clearBriefly()
    },
    abortSession: removal.endSession,
    listSessions: async (expiredAt, limit, now = connection.now()) =>
      listExpired.all(expiredAt, Math.min(expiredAt, now), limit).map((row) => row.name),
  }
}

/** Matches no project. */
const noProject = 0

export function createClaiming(connection: Connection): ClaimMethods {
  const { stage } = connection
  const findSession = createSessionFinder(connection)
  const lease = createLeaser(connection)
  const streams = prepareRows<[string], ClaimedStream>(
    connection,
    `s.id, lower(hex(s.digest)), s.codec, s.length_bytes, b.id, lower(hex(b.digest)), b.size_bytes, b.crc32`,
    `FROM json_each(?) j
     CROSS JOIN streams s ON s.digest = unhex(j.value) AND s.state = ${streamState.live}
     CROSS JOIN blobs b ON b.id = s.blob_id AND b.state = ${blobState.live}`,
  )
  const blobs = prepareRows<[string], ClaimedBlob>(
    connection,
    claimedBlobColumns,
    claimedBlobSource,
  )
  const readable = prepareRows<[string, number, number, number], ClaimedBlob>(
    connection,
    claimedBlobColumns,
    `${claimedBlobSource} AND (
       EXISTS (SELECT 1 FROM "references" r WHERE r.blob_id = b.id AND r.project_id = ?)
       OR EXISTS (SELECT 1 FROM leases l WHERE l.session_id = ? AND l.blob_id = b.id)
       OR EXISTS (SELECT 1 FROM composite_parts c
         CROSS JOIN "references" r ON r.blob_id = c.composite_id AND r.project_id = ?
         WHERE c.part_id = b.id))`,
  )
  const claim = (id: number, rows: ClaimedBlob[]): KnownBlob[] => {
    const blobIds = rows.map(([blobId]) => blobId)
    lease(id, blobIds)
    return rows.map(toKnownBlob)
  }
  const claimReadable = (id: number, projectId: number, digests: Digest[]): KnownBlob[] =>
    claim(id, readable(JSON.stringify(digests), projectId, id, projectId))
  return {
    claimStreams: async (name, digests) =>
      stage(() => {
        const { id } = findSession(name)
        const rows = streams(JSON.stringify(digests))
        const blobIds = rows.map((row) => row[4])
        lease(id, blobIds)
        return rows.map(toKnownStream)
      }),
    claimBlobs: async (name, digests) =>
      stage(() => claim(findSession(name).id, blobs(JSON.stringify(digests)))),
    claimReadableBlobs: async (name, digests) =>
      stage(() => {
        const { id, projectId } = findSession(name)
        return claimReadable(id, projectId, digests)
      }),
    claimSentBlobs: async (name, digests) =>
      stage(() => claimReadable(findSession(name).id, noProject, digests)),
  }
}

type ClaimedStream = [
  id: number,
  digest: Digest,
  codec: number,
  lengthBytes: number,
  blobId: number,
  blobDigest: Digest,
  sizeBytes: number,
  crc32: number,
]

function toKnownStream(row: ClaimedStream): KnownStream {
  const [streamId, streamDigest, codec, lengthBytes, , digest, sizeBytes, crc32] = row
  const blob = { digest, sizeBytes, crc32 }
  return { streamDigest, streamId, blob, lengthBytes, codec: codecs[codec]! }
}

/** For `prepareRows` over `claimedBlobSource`. */
const claimedBlobColumns = 'b.id, lower(hex(b.digest)), b.size_bytes, b.crc32, s.state'

/** The live blobs `b` of a list of digests, and their joining streams `s`. */
const claimedBlobSource = `FROM json_each(?) j
  CROSS JOIN blobs b ON b.digest = unhex(j.value) AND b.state < ${blobState.filling}
  LEFT JOIN streams s ON s.id = b.joining_stream_id
  WHERE b.state = ${blobState.live}`

type ClaimedBlob = [
  id: number,
  digest: Digest,
  sizeBytes: number,
  crc32: number,
  joiningState: number | null,
]

function toKnownBlob([, digest, sizeBytes, crc32, joiningState]: ClaimedBlob): KnownBlob {
  return { digest, sizeBytes, crc32, joins: joiningState === streamState.live }
}
