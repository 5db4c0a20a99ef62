/** Composites: registered in steps under a row without a digest, then published by the last
 *  step. */
import assert from 'node:assert'
import { blobState, streamState } from '../../../../schema/content.ts'
import type { Composite } from '../../../core/bytes/copy.ts'
import { type Digest, digestToBytes } from '../../../core/bytes/digest.ts'
import { notFound } from '../../../core/errors.ts'
import { limits } from '../../../core/limits.ts'
import type { Healing, Metadata } from '../../metadata.ts'
import type { Connection } from '../connection/connection.ts'
import { createBlobJudging } from './blob-judging.ts'
import { createCompositeHealing } from './healing.ts'
import { createLeaser, createSessionFinder } from './leases.ts'

/** A composite being filled, and the sums over its parts so far. */
interface Filled {
  id: number
  partBytes: number
  joinedBytes: number
}

interface PartRow {
  id: number
  sizeBytes: number
  lengthBytes: number
}

export function createCompositeAddition(connection: Connection): Metadata['addComposite'] {
  const { prepare, stage, turn } = connection
  const findSession = createSessionFinder(connection)
  const lease = createLeaser(connection)
  const insertParts = createPartInsertion(connection)
  const find = prepare<[Buffer], { id: number; state: number }>(
    `SELECT id, state FROM blobs WHERE digest = ? AND state < ${blobState.filling}`,
  )
  const insert = prepare<[Buffer, number, number, number, number], { id: number }>(
    `INSERT INTO blobs (digest, size_bytes, crc32, state, project_id, part_count, joined_bytes)
     VALUES (?, ?, ?, ${blobState.filling}, ?, ?, 0) RETURNING id`,
  )
  const healingWith = createCompositeHealing(connection)
  // Adds to the row, because healing a part of it also changes its length.
  const grow = prepare<[number, number], { joinedBytes: number }>(
    'UPDATE blobs SET joined_bytes = joined_bytes + ? WHERE id = ? RETURNING joined_bytes AS joinedBytes',
  )
  const publish = prepare<[number]>(`UPDATE blobs SET state = ${blobState.live} WHERE id = ?`)
  const isAnyDamaged = prepare<[]>(
    `SELECT 1 FROM streams INDEXED BY streams_damaged WHERE state = ${streamState.damaged} LIMIT 1`,
  )
  const judge = createBlobJudging(connection)

  /** Leases the blob that has the digest, if it can be read. */
  const leaseKnown = (sessionId: number, digest: Digest): boolean => {
    const known = find.get(digestToBytes(digest))
    if (known?.state !== blobState.live) return false
    lease(sessionId, [known.id])
    return true
  }

  /** Returns the row to fill, or undefined when the composite exists already. */
  const begin = (sessionName: string, composite: Composite): number | undefined => {
    const { digest, sizeBytes, crc32, parts } = composite
    const session = findSession(sessionName)
    if (leaseKnown(session.id, digest)) return undefined
    const bytes = digestToBytes(digest)
    const { id } = insert.get(bytes, sizeBytes, crc32, session.projectId, parts.length)!
    lease(session.id, [id])
    return id
  }

  const finish = (
    sessionName: string,
    { digest, sizeBytes, parts }: Composite,
    { id, partBytes, joinedBytes }: Filled,
  ): Healing | undefined => {
    assert.equal(partBytes, sizeBytes, `the parts of ${digest} do not add up to its size`)
    const session = findSession(sessionName)
    // An equal upload was faster; this row is swept once the session no longer leases it.
    if (leaseKnown(session.id, digest)) return undefined
    const damaged = find.get(digestToBytes(digest))
    if (!damaged) {
      publish.run(id)
      // A part added by an earlier transaction can have turned bad.
      if (isAnyDamaged.get()) judge(id)
      return undefined
    }
    // Representations of the damaged blob change with its parts and must be measured first. This
    // row waits for that.
    lease(session.id, [damaged.id])
    return healingWith(damaged.id, { blobId: id, partCount: parts.length, joinedBytes })
  }

  const addPartsOf = (composite: Composite, filled: Filled, first: number): void => {
    const slice = composite.parts.slice(first, first + limits.transactionRowsMax)
    let addedBytes = 0
    for (const part of insertParts(filled.id, first, slice)) {
      filled.partBytes += part.sizeBytes
      addedBytes += part.lengthBytes
    }
    filled.joinedBytes = grow.get(addedBytes, filled.id)!.joinedBytes
  }

  return async (sessionName, composite) => {
    const { parts } = composite
    assert(parts.length > 0, 'a composite has parts')
    // Nearly all composites fit one transaction, so these steps share one.
    const first = stage((): { filled?: Filled; healing?: Healing | undefined } => {
      const id = begin(sessionName, composite)
      if (id === undefined) return {}
      const begun: Filled = { id, partBytes: 0, joinedBytes: 0 }
      addPartsOf(composite, begun, 0)
      if (parts.length <= limits.transactionRowsMax)
        return { healing: finish(sessionName, composite, begun) }
      return { filled: begun }
    })
    const { filled } = first
    if (!filled) return first.healing
    for (let next = limits.transactionRowsMax; next < parts.length;) {
      await turn()
      stage(() => {
        // If the session has ended, the row being filled is gone.
        findSession(sessionName)
        addPartsOf(composite, filled, next)
      })
      next += limits.transactionRowsMax
    }
    return stage(() => finish(sessionName, composite, filled))
  }
}

/** Returns a function that adds the parts from ordinal `first` on.
 *  Errors: not_found (a part that does not join). */
function createPartInsertion({
  prepare,
}: Connection): (compositeId: number, first: number, parts: Digest[]) => PartRow[] {
  const find = prepare<[string], PartRow>(
    `SELECT b.id, b.size_bytes AS sizeBytes, s.length_bytes AS lengthBytes
     FROM json_each(?) j
     CROSS JOIN blobs b ON b.digest = unhex(j.value) AND b.state < ${blobState.filling}
     CROSS JOIN streams s ON s.id = b.joining_stream_id AND s.state = ${streamState.live}
     ORDER BY j.key`,
  )
  const insert = prepare<[number, number, string]>(
    `INSERT INTO composite_parts (composite_id, ordinal, part_id)
     SELECT ?, ? + j.key, j.value FROM json_each(?) j`,
  )
  return (compositeId, first, parts) => {
    const rows = find.all(JSON.stringify(parts))
    if (rows.length !== parts.length) {
      throw notFound('part', 'a part of a composite has no joining copy')
    }
    insert.run(compositeId, first, JSON.stringify(rows.map((row) => row.id)))
    return rows
  }
}
