/** Sweep: deletes blobs that nothing holds any more. Packs left empty are the business of
 *  compaction.ts.
 *
 *  Candidates are the rows of `touched_blobs`: whoever removes a reference, a lease, a composite
 *  or a skeleton adds the blob in the same transaction. A visit either finds the blob held and
 *  drops the candidate (losing that hold will add it again), or condemns it: the blob gives up
 *  its digest, so it is no longer reported as present, and content that arrives again gets a new
 *  row. Removal checks once more, because a lease may have been taken in between. */
import { blobState, streamState, unreadableStates } from '../../../../schema/content.ts'
import type { Metadata } from '../../metadata.ts'
import type { Connection } from '../connection/connection.ts'
import { createPackCounter } from '../blobs/pack-counters.ts'
import { createChunkCounting } from '../blobs/unique-bytes.ts'

/** Blobs per step: each is looked up in six trees. */
const batch = 25

/** SQL for the state of a blob row that has given up its digest. */
const stateWithoutDigest = `CASE state WHEN ${blobState.damaged} THEN ${blobState.goneDamaged}
  WHEN ${blobState.goneDamaged} THEN ${blobState.goneDamaged} ELSE ${blobState.gone} END`

/** SQL that is true when blob `b` must stay, apart from leases. */
const isNeeded = `(
  EXISTS (SELECT 1 FROM "references" r WHERE r.blob_id = b.id)
  OR EXISTS (SELECT 1 FROM composite_parts c WHERE c.part_id = b.id)
  OR EXISTS (SELECT 1 FROM streams s JOIN skeleton_streams k ON k.stream_id = s.id WHERE s.blob_id = b.id))`

/** SQL that is true when a session leases blob `b`. Parameter: the current instant. */
const isLeased = `EXISTS (SELECT 1 FROM leases l CROSS JOIN sessions n ON n.id = l.session_id
  WHERE l.blob_id = b.id AND n.leased_until > ?)`

export function createBlobClaiming(connection: Connection): Metadata['claimDeadBlobs'] {
  const { prepare, stageInSteps } = connection
  const dropIdleStreams = createIdleStreamRemoval(connection)
  const candidates = prepare<
    [number, number, number],
    { id: number; isNeeded: number; isLeased: number }
  >(
    `SELECT b.id, ${isNeeded} AS isNeeded, ${isLeased} AS isLeased
     FROM touched_blobs t CROSS JOIN blobs b ON b.id = t.blob_id
     WHERE t.blob_id > ? ORDER BY t.blob_id LIMIT ?`,
  )
  const forget = prepare<[string]>(
    'DELETE FROM touched_blobs WHERE blob_id IN (SELECT j.value FROM json_each(?) j)',
  )
  const condemn = prepare<[string]>(
    `UPDATE blobs SET state = ${stateWithoutDigest} WHERE id IN (SELECT j.value FROM json_each(?) j)`,
  )
  // Drops leases left by sessions that ended or ran out; a lease found at removal was therefore
  // taken later.
  const dropLeases = prepare<[string]>(
    'DELETE FROM leases WHERE blob_id IN (SELECT j.value FROM json_each(?) j)',
  )

  const visit = (now: number, after: number, count: number): { last: number; dead: number[] } => {
    const rows = candidates.all(now, after, count)
    const held = rows.filter((row) => row.isNeeded || row.isLeased)
    const dead = rows.filter((row) => !row.isNeeded && !row.isLeased).map((row) => row.id)
    dropIdleStreams(held.filter((row) => !row.isLeased).map((row) => row.id))
    forget.run(JSON.stringify(held.map((row) => row.id)))
    condemn.run(JSON.stringify(dead))
    dropLeases.run(JSON.stringify(dead))
    return { last: rows.at(-1)?.id ?? Infinity, dead }
  }

  return async (now, limit) => {
    const claimed: number[] = []
    // Condemned blobs stay candidates until they are removed, so that a crash loses none.
    let after = 0
    await stageInSteps(() => {
      const { last, dead } = visit(now, after, Math.min(batch, limit - claimed.length))
      claimed.push(...dead)
      after = last
      return claimed.length < limit && after < Infinity
    })
    return claimed
  }
}

/** SQL that is true when stream `s` of blob `b`, which stays, serves no purpose: it is neither
 *  the serving copy, nor the joining copy of a part (`isJoined`), nor named by a skeleton
 *  (`isNamed`), nor the first of its kind that can heal the blob. */
export function isIdle({ isJoined, isNamed }: { isJoined: string; isNamed: string }): string {
  return `s.id IS NOT b.copy_stream_id
    AND (s.id IS NOT b.joining_stream_id OR NOT ${isJoined}) AND NOT ${isNamed}
    AND NOT ((b.state IN ${unreadableStates} OR ${isJoined} AND EXISTS (SELECT 1 FROM streams d
        WHERE d.id = b.joining_stream_id AND d.state = ${streamState.damaged}))
      AND s.id IS (SELECT min(o.id) FROM streams o
        WHERE o.blob_id = b.id AND o.codec = s.codec AND o.state = ${streamState.live}))`
}

interface StreamRow {
  id: number
  packId: number
  lengthBytes: number
}

/** Returns a function that removes, inside a transaction, streams of these blobs that serve no
 *  purpose. */
function createIdleStreamRemoval(connection: Connection): (blobIds: number[]) => void {
  const { prepare } = connection
  const removeStreams = createStreamRemoval(connection)
  const idle = prepare<[string], StreamRow>(
    `SELECT s.id, s.pack_id AS packId, s.length_bytes AS lengthBytes
     FROM json_each(?) j
     CROSS JOIN blobs b ON b.id = j.value
     CROSS JOIN streams s ON s.blob_id = b.id
     WHERE ${isIdle({
       isJoined: 'EXISTS (SELECT 1 FROM composite_parts c WHERE c.part_id = b.id)',
       isNamed: 'EXISTS (SELECT 1 FROM skeleton_streams k WHERE k.stream_id = s.id)',
     })}`,
  )
  const forgetJoining = prepare<[string, string]>(
    `UPDATE blobs SET joining_stream_id = NULL
     WHERE id IN (SELECT s.blob_id FROM json_each(?) j CROSS JOIN streams s ON s.id = j.value)
       AND joining_stream_id IN (SELECT j.value FROM json_each(?) j)`,
  )
  return (blobIds) => {
    const streams = idle.all(JSON.stringify(blobIds))
    if (streams.length === 0) return
    const list = JSON.stringify(streams.map((stream) => stream.id))
    forgetJoining.run(list, list)
    removeStreams(streams)
  }
}

function createStreamRemoval(connection: Connection): (streams: StreamRow[]) => void {
  const countLive = createPackCounter(connection)
  const remove = connection.prepare<[string]>(
    'DELETE FROM streams WHERE id IN (SELECT j.value FROM json_each(?) j)',
  )
  return (streams) => {
    remove.run(JSON.stringify(streams.map((stream) => stream.id)))
    countLive(
      streams.map(({ packId, lengthBytes }) => ({ packId, count: -1, bytes: -lengthBytes })),
    )
  }
}

interface DeadRow {
  id: number
  projectId: number
  partCount: number
  /** Content bytes counted by the chunk figures; 0 for a composite. */
  chunkBytes: number
}

export function createBlobRemoval(connection: Connection): Metadata['removeDeadBlobs'] {
  const { prepare, stageInSteps } = connection
  const removeStreams = createStreamRemoval(connection)
  const findDead = prepare<[string], DeadRow>(
    `SELECT b.id, b.project_id AS projectId, b.part_count AS partCount,
       iif(b.copy_stream_id IS NULL, 0, b.size_bytes) AS chunkBytes
     FROM json_each(?) j CROSS JOIN blobs b ON b.id = j.value
     WHERE b.state >= ${blobState.gone} AND NOT ${isNeeded}
       AND NOT EXISTS (SELECT 1 FROM leases l WHERE l.blob_id = b.id)`,
  )
  const streamsOf = prepare<[string], StreamRow>(
    `SELECT s.id, s.pack_id AS packId, s.length_bytes AS lengthBytes
     FROM json_each(?) j CROSS JOIN streams s ON s.blob_id = j.value`,
  )
  const removeBlobs = prepare<[string]>(
    'DELETE FROM blobs WHERE id IN (SELECT j.value FROM json_each(?) j)',
  )
  const countChunks = createChunkCounting(connection)
  const dropParts = prepare<[number], { partId: number }>(
    `DELETE FROM composite_parts WHERE composite_id = ? RETURNING part_id AS partId LIMIT ${batch}`,
  )
  const touch = prepare<[string]>(
    'INSERT OR IGNORE INTO touched_blobs (blob_id) SELECT j.value FROM json_each(?) j',
  )

  const removeRows = (rows: DeadRow[]): void => {
    const list = JSON.stringify(rows.map((row) => row.id))
    removeStreams(streamsOf.all(list))
    removeBlobs.run(list)
    for (const { projectId, chunkBytes } of rows) countChunks(projectId, -chunkBytes)
  }

  const removeComposite = (id: number): Promise<void> =>
    stageInSteps(() => {
      const list = JSON.stringify([id])
      const dead = findDead.all(list)
      if (dead.length === 0) return false
      const parts = dropParts.all(id)
      touch.run(JSON.stringify(parts.map((row) => row.partId)))
      if (parts.length > 0) return true
      removeRows(dead)
      return false
    })

  return async (blobIds) => {
    const composites: number[] = []
    let start = 0
    await stageInSteps(() => {
      const list = JSON.stringify(blobIds.slice(start, (start += batch)))
      const dead = findDead.all(list)
      removeRows(dead.filter((row) => row.partCount === 0))
      composites.push(...dead.filter((row) => row.partCount > 0).map((row) => row.id))
      return start < blobIds.length
    })
    for (const id of composites) await removeComposite(id)
  }
}
