/** Healing with another stream: a blob whose copy is bad has got a sound one that is not the same. What is made of the
 *  blob changes then, so every artifact that holds it gets a new version, with lengths that the caller has measured
 *  (invariant 6); an exact zip goes on naming the old stream and waits for it.
 *
 *  All of it is one transaction, because no reader may see the new copy with the old lengths. It is refused while an
 *  upload under way refers to the blob, whose measuring may be over already. */
import { blobState, streamState } from '../../../schema/content.ts'
import { limits } from '../../core/limits.ts'
import type { Healing, HealingOutcome, Metadata } from '../metadata.ts'
import { codecNumber } from './codecs.ts'
import type { Connection } from './connection.ts'
import type { Damage } from './damage.ts'

interface HealableRow {
  blobId: number
  streamId: number
  oldStreamId: number | null
  replacesCopy: number
  replacesJoining: number
  lengthDelta: number
}

/** Answers a function that says what healing a blob with a composite takes, inside a transaction. */
export function createCompositeHealing(
  connection: Connection,
): (blobId: number, composite: NonNullable<Healing['composite']>) => Healing {
  const holders = createHolderLookUp(connection)
  const findCopy = connection.prepare<[number], { copyStreamId: number | null }>(
    'SELECT copy_stream_id AS copyStreamId FROM blobs WHERE id = ?',
  )
  return (blobId, composite) => ({
    blobId,
    streamId: null,
    composite,
    oldStreamId: findCopy.get(blobId)!.copyStreamId,
    replacesCopy: true,
    replacesJoining: false,
    joinedDeltas: [],
    holders: holders.artifacts([blobId]),
  })
}

export function createHealingMethods(
  connection: Connection,
  damage: Damage,
): Pick<Metadata, 'listHealings' | 'healBlob'> {
  const { prepare, read, write } = connection
  const holders = createHolderLookUp(connection)
  const swap = createSwap(connection)
  // Damaged streams are few. A joining stream can be replaced by a joining one only, because parts have to join.
  const replaceable = prepare<[number], HealableRow>(
    `SELECT b.id AS blobId, n.id AS streamId, d.id AS oldStreamId,
       b.copy_stream_id IS d.id AS replacesCopy,
       b.joining_stream_id IS d.id AND n.codec = ${codecNumber.joining} AS replacesJoining,
       n.length_bytes - d.length_bytes AS lengthDelta
     FROM streams d INDEXED BY streams_damaged
     CROSS JOIN blobs b ON b.id = d.blob_id
     CROSS JOIN streams n ON n.blob_id = b.id AND n.state = ${streamState.live}
     WHERE d.state = ${streamState.damaged}
       AND (b.copy_stream_id IS d.id OR (b.joining_stream_id IS d.id AND n.codec = ${codecNumber.joining}))
     GROUP BY d.id LIMIT ?`,
  )
  const joinable = prepare<[number], HealableRow>(
    `SELECT b.id AS blobId, n.id AS streamId, NULL AS oldStreamId, 1 AS replacesCopy, 0 AS replacesJoining,
       0 AS lengthDelta
     FROM blobs b INDEXED BY blobs_damaged
     CROSS JOIN streams n ON n.blob_id = b.id AND n.state = ${streamState.live}
     WHERE b.state IN (${blobState.damaged}, ${blobState.goneDamaged}) AND b.part_count > 0
     GROUP BY b.id LIMIT ?`,
  )

  return {
    listHealings: async (limit) =>
      read(() => {
        const rows = [...replaceable.all(limit), ...joinable.all(limit)]
        return rows.map((row): Healing => {
          const { blobId, streamId, oldStreamId } = row
          const replacesJoining = row.replacesJoining === 1
          const joinedDeltas = replacesJoining ? holders.composites(blobId, row.lengthDelta) : []
          return {
            blobId,
            streamId,
            composite: null,
            oldStreamId,
            replacesCopy: row.replacesCopy === 1,
            replacesJoining,
            joinedDeltas,
            holders: holders.artifacts([blobId, ...joinedDeltas.map((each) => each.blobId)]),
          }
        })
      }),
    healBlob: async (healing, measured) => {
      const outcome = write((): HealingOutcome => {
        const blobIds = [healing.blobId, ...healing.joinedDeltas.map((each) => each.blobId)]
        if (holders.areStaged(blobIds)) return 'busy'
        const known = new Set(measured.map((each) => each.artifactId))
        const now = holders.artifacts(blobIds)
        if (now.length > limits.healedArtifactsMax) return 'busy'
        if (now.length !== known.size || now.some((each) => !known.has(each.artifactId)))
          return 'changed'
        const streamId = swap(healing, measured)
        if (streamId === undefined) return 'changed'
        damage.note(streamId)
        return 'healed'
      })
      await damage.spread()
      return outcome
    },
  }
}

function createHolderLookUp({ prepare }: Connection): {
  /** Composites over a part, and by how much each grows when the part's stream does. */
  composites(partId: number, lengthDelta: number): Healing['joinedDeltas']
  /** Artifacts that hold any of the blobs and have not let go of their rows; by id, no more than one too many. */
  artifacts(blobIds: number[]): Healing['holders']
  /** Whether an upload under way refers to any of the blobs. */
  areStaged(blobIds: number[]): boolean
} {
  const composites = prepare<[number, number], Healing['joinedDeltas'][number]>(
    `SELECT composite_id AS blobId, count(*) * ? AS delta FROM composite_parts WHERE part_id = ?
     GROUP BY composite_id`,
  )
  const artifacts = prepare<[string], Healing['holders'][number]>(
    `SELECT DISTINCT a.id AS artifactId, a.manifest_id AS manifestId, a.kind
     FROM json_each(?) j
     CROSS JOIN "references" r ON r.blob_id = j.value
     CROSS JOIN artifacts a ON a.manifest_id = r.manifest_id
     WHERE a.removed_at IS NULL OR a.releasable_at IS NOT NULL
     ORDER BY a.id LIMIT ${limits.healedArtifactsMax + 1}`,
  )
  const staged = prepare<[string], { found: number }>(
    `SELECT EXISTS (SELECT 1 FROM json_each(?) j
       CROSS JOIN "references" r ON r.blob_id = j.value
       CROSS JOIN manifests m ON m.id = r.manifest_id
       WHERE m.state = 0 OR EXISTS (SELECT 1 FROM manifest_leases l WHERE l.manifest_id = m.id)) AS found`,
  )
  return {
    composites: (partId, lengthDelta) => composites.all(lengthDelta, partId),
    artifacts: (blobIds) => artifacts.all(JSON.stringify(blobIds)),
    areStaged: (blobIds) => staged.get(JSON.stringify(blobIds))!.found === 1,
  }
}

/** Answers a function that puts the new stream, or the parts of the composite, in the place of what is damaged, inside a
 *  transaction. Gives a stream of the blob as it is now, or undefined when something is not what it was. */
function createSwap(
  connection: Connection,
): (healing: Healing, measured: Parameters<Metadata['healBlob']>[1]) => number | undefined {
  const { prepare } = connection
  const adopt = createAdoption(connection)
  const isSound = prepare<[number, number]>(
    `SELECT 1 FROM streams WHERE id = ? AND blob_id = ? AND state = ${streamState.live}`,
  )
  const setCopy = prepare<
    [number, number, number | null],
    { projectId: number; sizeBytes: number }
  >(
    `UPDATE blobs SET copy_stream_id = ? WHERE id = ? AND copy_stream_id IS ?
     RETURNING project_id AS projectId, size_bytes AS sizeBytes`,
  )
  const setJoining = prepare<[number, number, number | null]>(
    'UPDATE blobs SET joining_stream_id = ? WHERE id = ? AND joining_stream_id IS ?',
  )
  const growJoined = prepare<[number, number]>(
    'UPDATE blobs SET joined_bytes = joined_bytes + ? WHERE id = ?',
  )
  const dropParts = prepare<[number], { partId: number }>(
    'DELETE FROM composite_parts WHERE composite_id = ? RETURNING part_id AS partId',
  )
  const becomeSingle = prepare<[number]>(
    'UPDATE blobs SET part_count = 0, joined_bytes = 0 WHERE id = ?',
  )
  const countChunks = prepare<[number, number]>(
    'UPDATE totals SET chunk_bytes = chunk_bytes + ? WHERE scope IN (0, ?)',
  )
  const touch = prepare<[string]>(
    'INSERT OR IGNORE INTO touched_blobs (blob_id) SELECT j.value FROM json_each(?) j',
  )
  const keepNamed = prepare<[number, number]>(
    `INSERT OR IGNORE INTO skeleton_streams (content_id, stream_id)
     SELECT content_id, ? FROM artifacts WHERE id = ? AND content_id IS NOT NULL`,
  )
  // The zip of an exact or opaque artifact does not depend on which copy serves its files.
  const renew = prepare<[number, number, number]>(
    `UPDATE artifacts SET version = version + 1,
       zip_bytes = iif(kind IN ('tree', 'raw'), ?, zip_bytes),
       zip_digest = iif(kind = 'tree', NULL, zip_digest), tar_gz_bytes = ?
     WHERE id = ?`,
  )
  const replaceCopy = ({ blobId, oldStreamId }: Healing, streamId: number): boolean => {
    const blob = setCopy.get(streamId, blobId, oldStreamId)
    if (!blob) return false
    if (oldStreamId !== null) return true
    const parts = dropParts.all(blobId).map((row) => row.partId)
    touch.run(JSON.stringify(parts))
    becomeSingle.run(blobId)
    countChunks.run(blob.sizeBytes, blob.projectId)
    return true
  }
  const replaceStream = (healing: Healing, streamId: number): number | undefined => {
    const { blobId, oldStreamId } = healing
    if (!isSound.get(streamId, blobId)) return undefined
    if (healing.replacesCopy && !replaceCopy(healing, streamId)) return undefined
    if (!healing.replacesJoining) return streamId
    if (setJoining.run(streamId, blobId, oldStreamId).changes === 0) return undefined
    for (const { blobId: compositeId, delta } of healing.joinedDeltas) {
      growJoined.run(delta, compositeId)
    }
    return streamId
  }
  return (healing, measured) => {
    const { blobId, streamId, oldStreamId } = healing
    const now = streamId === null ? adopt(healing) : replaceStream(healing, streamId)
    if (now === undefined) return undefined
    for (const { artifactId, zipBytes, tarGzBytes, namesOldStream } of measured) {
      if (namesOldStream && oldStreamId !== null) keepNamed.run(oldStreamId, artifactId)
      renew.run(zipBytes, tarGzBytes, artifactId)
    }
    touch.run(JSON.stringify([blobId]))
    return now
  }
}

/** Answers a function that gives the parts of a waiting composite to the damaged blob, and the leases on it; the
 *  composite's own row goes. Gives a stream of the new parts. */
function createAdoption({ prepare }: Connection): (healing: Healing) => number | undefined {
  const becomeComposite = prepare<[number, number, number, number | null], BecomingRow>(
    `UPDATE blobs SET copy_stream_id = NULL, part_count = ?, joined_bytes = ?
     WHERE id = ? AND copy_stream_id IS ? RETURNING project_id AS projectId, size_bytes AS sizeBytes`,
  )
  const isWaiting = prepare<[number]>(
    `SELECT 1 FROM blobs WHERE id = ? AND state = ${blobState.filling}`,
  )
  const dropParts = prepare<[number], { partId: number }>(
    'DELETE FROM composite_parts WHERE composite_id = ? RETURNING part_id AS partId',
  )
  const touch = prepare<[string]>(
    'INSERT OR IGNORE INTO touched_blobs (blob_id) SELECT j.value FROM json_each(?) j',
  )
  const moveParts = prepare<[number, number]>(
    'UPDATE composite_parts SET composite_id = ? WHERE composite_id = ?',
  )
  const moveLeases = prepare<[number, number]>(
    'INSERT OR IGNORE INTO leases (session_id, blob_id) SELECT session_id, ? FROM leases WHERE blob_id = ?',
  )
  const dropLeases = prepare<[number]>('DELETE FROM leases WHERE blob_id = ?')
  const dropRow = prepare<[number]>('DELETE FROM blobs WHERE id = ?')
  const uncountChunks = prepare<[number, number]>(
    'UPDATE totals SET chunk_bytes = chunk_bytes - ? WHERE scope IN (0, ?)',
  )
  const joiningOfPart = prepare<[number], { streamId: number }>(
    `SELECT b.joining_stream_id AS streamId FROM composite_parts c CROSS JOIN blobs b ON b.id = c.part_id
     WHERE c.composite_id = ? LIMIT 1`,
  )
  return ({ blobId, composite, oldStreamId }) => {
    if (composite === null || !isWaiting.get(composite.blobId)) return undefined
    const { partCount, joinedBytes } = composite
    const blob = becomeComposite.get(partCount, joinedBytes, blobId, oldStreamId)
    if (!blob) return undefined
    if (oldStreamId !== null) uncountChunks.run(blob.sizeBytes, blob.projectId)
    touch.run(JSON.stringify(dropParts.all(blobId).map((row) => row.partId)))
    moveParts.run(blobId, composite.blobId)
    moveLeases.run(blobId, composite.blobId)
    dropLeases.run(composite.blobId)
    dropRow.run(composite.blobId)
    return joiningOfPart.get(blobId)!.streamId
  }
}

interface BecomingRow {
  projectId: number
  sizeBytes: number
}
