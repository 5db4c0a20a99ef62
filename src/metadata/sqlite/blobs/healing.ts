/** Healing with another stream: a blob whose copy is damaged has gained a sound stream with
 *  other bytes. Representations made from the blob then change, so every artifact that holds it
 *  gets a new version, with lengths measured by the caller (invariant 6). An exact zip still
 *  names the old stream and waits for it.
 *
 *  All of it is one transaction, because no reader may see the new copy with the old lengths. It
 *  is refused while an upload in progress refers to the blob, since that upload may have been
 *  measured already. */
import { blobState, streamState, unreadableStates } from '../../../../schema/content.ts'
import type { Healing, HealingOutcome, MeasuredHolder, Metadata } from '../../metadata.ts'
import type { Connection } from '../connection/connection.ts'
import type { Damage } from './damage.ts'
import { createHolderLookUp } from './healable.ts'
import { createChunkCounting } from './unique-bytes.ts'

/** Returns a function that describes, inside a transaction, how a composite would heal a blob. */
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
    // With too many, `healBlob` reports it as busy.
    holders: holders.artifacts([blobId]) ?? [],
  })
}

export function createHealing(connection: Connection, damage: Damage): Metadata['healBlob'] {
  const { write } = connection
  const holders = createHolderLookUp(connection)
  const swap = createSwap(connection)

  return async (healing, measured) => {
    const outcome = write((): HealingOutcome => {
      const blobIds = [healing.blobId, ...healing.joinedDeltas.map((each) => each.blobId)]
      // Lengths measured before another healing of the same artifact are outdated.
      const versions = new Map(measured.map((each) => [each.artifactId, each.version]))
      const now = holders.artifacts(blobIds)
      if (now === undefined || holders.areStaged(blobIds)) return 'busy'
      const isMeasured = now.every((each) => versions.get(each.artifactId) === each.version)
      if (now.length !== versions.size || !isMeasured) return 'changed'
      const streamId = swap(healing, measured)
      if (streamId === undefined) return 'changed'
      damage.note(streamId)
      return 'healed'
    })
    await damage.spread()
    return outcome
  }
}

/** Returns a function that replaces the damaged stream or parts by the new stream or the parts
 *  of the composite, inside a transaction. It returns a stream of the blob as it is now, or
 *  undefined when something has changed. */
function createSwap(
  connection: Connection,
): (healing: Healing, measured: MeasuredHolder[]) => number | undefined {
  const { prepare } = connection
  const adopt = createAdoption(connection)
  // Holders of a file that was registered over a stream after it healed in place are not measured.
  const isDamaged = prepare<[number | null, number]>(
    `SELECT 1 FROM blobs b LEFT JOIN streams d ON d.id = ?
     WHERE b.id = ? AND iif(d.id IS NULL, b.state IN ${unreadableStates},
       d.state = ${streamState.damaged})`,
  )
  const isSound = prepare<[number, number]>(
    `SELECT 1 FROM streams WHERE id = ? AND blob_id = ? AND state = ${streamState.live}`,
  )
  const setCopy = prepare<[number, number, number | null], SwappedBlob>(
    `UPDATE blobs SET copy_stream_id = ? WHERE id = ? AND copy_stream_id IS ?
     RETURNING project_id AS projectId, size_bytes AS sizeBytes`,
  )
  const setJoining = prepare<[number, number, number | null]>(
    'UPDATE blobs SET joining_stream_id = ? WHERE id = ? AND joining_stream_id IS ?',
  )
  const growJoined = prepare<[number, number]>(
    'UPDATE blobs SET joined_bytes = joined_bytes + ? WHERE id = ?',
  )
  const dropParts = createPartRemoval(connection)
  const becomeSingle = prepare<[number]>(
    'UPDATE blobs SET part_count = 0, joined_bytes = 0 WHERE id = ?',
  )
  const countChunks = createChunkCounting(connection)
  const keepNamed = prepare<[number, number]>(
    `INSERT OR IGNORE INTO skeleton_streams (content_id, stream_id)
     SELECT content_id, ? FROM artifacts WHERE id = ? AND content_id IS NOT NULL`,
  )
  // The zip of an exact or opaque artifact does not depend on which copy serves its files.
  const renew = prepare<[number, Uint8Array, number, number]>(
    `UPDATE artifacts SET version = version + 1,
       zip_bytes = iif(kind IN ('tree', 'raw'), ?, zip_bytes),
       zip_pages = iif(kind IN ('tree', 'raw'), ?, NULL),
       zip_digest = iif(kind = 'tree', NULL, zip_digest), tar_gz_bytes = ?
     WHERE id = ?`,
  )
  const replaceCopy = ({ blobId, oldStreamId }: Healing, streamId: number): boolean => {
    const blob = setCopy.get(streamId, blobId, oldStreamId)
    if (!blob) return false
    if (oldStreamId !== null) return true
    dropParts(blobId)
    becomeSingle.run(blobId)
    countChunks(blob.projectId, blob.sizeBytes)
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
    if (!isDamaged.get(oldStreamId, blobId)) return undefined
    const now = streamId === null ? adopt(healing) : replaceStream(healing, streamId)
    if (now === undefined) return undefined
    for (const { artifactId, zipBytes, zipPages, tarGzBytes, namesOldStream } of measured) {
      if (namesOldStream && oldStreamId !== null) keepNamed.run(oldStreamId, artifactId)
      renew.run(zipBytes, zipPages, tarGzBytes, artifactId)
    }
    return now
  }
}

/** Returns a function that moves the parts of a waiting composite to the damaged blob, which its
 *  session leases as well, and deletes the composite's own row. It returns a stream of the new
 *  parts. */
function createAdoption(connection: Connection): (healing: Healing) => number | undefined {
  const { prepare } = connection
  const becomeComposite = prepare<[number, number, number, number | null], SwappedBlob>(
    `UPDATE blobs SET copy_stream_id = NULL, part_count = ?, joined_bytes = ?
     WHERE id = ? AND copy_stream_id IS ? RETURNING project_id AS projectId, size_bytes AS sizeBytes`,
  )
  // Healing a part changes the length, so what was measured before is outdated.
  const isWaiting = prepare<[number, number]>(
    `SELECT 1 FROM blobs WHERE id = ? AND state = ${blobState.filling} AND joined_bytes = ?`,
  )
  const dropParts = createPartRemoval(connection)
  const moveParts = prepare<[number, number]>(
    'UPDATE composite_parts SET composite_id = ? WHERE composite_id = ?',
  )
  const dropLeases = prepare<[number]>('DELETE FROM leases WHERE blob_id = ?')
  const dropRow = prepare<[number]>('DELETE FROM blobs WHERE id = ?')
  const countChunks = createChunkCounting(connection)
  const joiningOfPart = prepare<[number], { streamId: number }>(
    `SELECT b.joining_stream_id AS streamId FROM composite_parts c CROSS JOIN blobs b ON b.id = c.part_id
     WHERE c.composite_id = ? LIMIT 1`,
  )
  return ({ blobId, composite, oldStreamId }) => {
    if (composite === null) return undefined
    const { partCount, joinedBytes } = composite
    if (!isWaiting.get(composite.blobId, joinedBytes)) return undefined
    const blob = becomeComposite.get(partCount, joinedBytes, blobId, oldStreamId)
    if (!blob) return undefined
    if (oldStreamId !== null) countChunks(blob.projectId, -blob.sizeBytes)
    dropParts(blobId)
    moveParts.run(blobId, composite.blobId)
    dropLeases.run(composite.blobId)
    dropRow.run(composite.blobId)
    return joiningOfPart.get(blobId)!.streamId
  }
}

interface SwappedBlob {
  projectId: number
  sizeBytes: number
}

/** Returns a function that takes a composite apart; its parts become candidates for sweep. */
function createPartRemoval({ prepare }: Connection): (compositeId: number) => void {
  const touch = prepare<[number]>(
    `INSERT OR IGNORE INTO touched_blobs (blob_id)
     SELECT part_id FROM composite_parts WHERE composite_id = ?`,
  )
  const drop = prepare<[number]>('DELETE FROM composite_parts WHERE composite_id = ?')
  return (compositeId) => {
    touch.run(compositeId)
    drop.run(compositeId)
  }
}
