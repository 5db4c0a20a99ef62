/** Whether a blob can be read: its serving copy, or each part of a composite, must be sound. */
import { blobState, streamState, unreadableStates } from '../../../../schema/content.ts'
import type { Connection } from '../connection/connection.ts'
import type { LazyStatement } from '../connection/lazy-statement.ts'

/** Returns a function that sets whether a blob can be read, judged by its own copies. */
export function createBlobJudging(connection: Connection): (blobId: number) => void {
  const { prepare } = connection
  const find = prepare<[number], { copyStreamId: number | null; partCount: number }>(
    'SELECT copy_stream_id AS copyStreamId, part_count AS partCount FROM blobs WHERE id = ?',
  )
  const isStreamDamaged = prepare<[number]>(
    `SELECT 1 FROM streams WHERE id = ? AND state = ${streamState.damaged}`,
  )
  const isPartDamaged = createPartSearch(connection)
  const setDamaged = prepare<[number]>(
    `UPDATE blobs SET state = iif(state < ${blobState.filling}, ${blobState.damaged}, ${blobState.goneDamaged})
     WHERE id = ? AND state IN (${blobState.live}, ${blobState.gone})`,
  )
  const setReadable = prepare<[number]>(
    `UPDATE blobs SET state = iif(state < ${blobState.filling}, ${blobState.live}, ${blobState.gone})
     WHERE id = ? AND state IN ${unreadableStates}`,
  )
  return (blobId) => {
    const blob = find.get(blobId)
    if (!blob) return
    const { copyStreamId, partCount } = blob
    const isUnreadable =
      copyStreamId === null
        ? isPartDamaged(blobId, partCount)
        : isStreamDamaged.get(copyStreamId) !== undefined
    ;(isUnreadable ? setDamaged : setReadable).run(blobId)
  }
}

/** Whether a composite has a damaged part. A file of 280 GiB has 300,000 parts, which take half a
 *  second, and after the loss of a disk as many streams can be damaged. So both are searched from
 *  their beginning, ever further, until one finds damage or is at its end. */
function createPartSearch({
  prepare,
}: Connection): (compositeId: number, partCount: number) => boolean {
  const countDamaged = prepareDamagedCount(prepare)
  const amongDamaged = prepare<[number, number]>(
    `SELECT 1 FROM (SELECT id AS damagedId, blob_id AS partId FROM streams INDEXED BY streams_damaged
       WHERE state = ${streamState.damaged} LIMIT ?)
     CROSS JOIN blobs q ON q.id = partId AND q.joining_stream_id = damagedId
     CROSS JOIN composite_parts c ON c.part_id = q.id AND c.composite_id = ? LIMIT 1`,
  )
  const amongParts = prepare<[number, number]>(
    `SELECT 1 FROM composite_parts c CROSS JOIN blobs q ON q.id = c.part_id
     CROSS JOIN streams s ON s.id = q.joining_stream_id
     WHERE c.ordinal < ? AND c.composite_id = ? AND s.state = ${streamState.damaged} LIMIT 1`,
  )
  return (compositeId, partCount) => {
    for (let reach = 100; ; reach *= 10) {
      const isFound = [amongDamaged, amongParts].some(
        (search) => search.get(reach, compositeId) !== undefined,
      )
      if (isFound) return true
      if (partCount <= reach || countDamaged.get(reach)!.count < reach) return false
    }
  }
}

/** Counts damaged streams, up to a bound. */
export function prepareDamagedCount(
  prepare: Connection['prepare'],
): LazyStatement<[number], { count: number }> {
  return prepare(
    `SELECT count(*) AS count
     FROM (SELECT 1 FROM streams INDEXED BY streams_damaged WHERE state = ${streamState.damaged} LIMIT ?)`,
  )
}
