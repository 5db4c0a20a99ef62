/** Registers copies, a batch per transaction. For each copy:
 *    1. If its stream is known, the bytes in this pack are dead weight. But if the known stream is
 *       damaged, it moves to this pack, and everything that holds it is healed.
 *    2. Else if its blob is known, the blob gains the stream. A blob whose serving copy is damaged
 *       keeps the new stream beside it, because the representations made from it would change
 *       (invariant 6); `healBlob` of healing.ts switches.
 *    3. Else blob and stream are new, and the stream is the blob's serving copy. */
import { blobState, streamState } from '../../../../schema/content.ts'
import { type NewCopy, type StreamKey, streamKey } from '../../../core/bytes/copy.ts'
import { type Digest, digestToBytes } from '../../../core/bytes/digest.ts'
import { codecNumber, codecs } from '../connection/codecs.ts'
import type { Connection } from '../connection/connection.ts'
import type { Damage } from './damage.ts'
import { createPackCounter } from './pack-counters.ts'
import { prepareRows } from '../connection/rows.ts'
import { createChunkCounting } from './unique-bytes.ts'
import { type SessionRow, createLeaser } from './leases.ts'

interface KnownStream {
  id: number
  blobId: number
  packId: number
  lengthBytes: number
  state: number
}

interface KnownBlob {
  id: number
  /** State of its joining stream; null when it has none. */
  joiningState: number | null
  /** Whether it, or its joining stream, was damaged before this batch. */
  wasDamaged: boolean
}

/** The known rows for a batch of copies, and what registering the batch has changed so far. */
interface Batch {
  session: SessionRow
  packId: number
  streams: Map<StreamKey, KnownStream>
  blobs: Map<Digest, KnownBlob>
  leased: Set<number>
  nextStreamId: number
  /** Copies now live in this pack, and bytes of content that is new to the store. */
  addedCount: number
  addedBytes: number
  addedChunkBytes: number
}

/** Returns a function that registers copies of a pack inside the enclosing transaction, and
 *  leases their blobs. It returns the ids of those that were damaged. */
export function createCopyRegistration(
  connection: Connection,
  damage: Damage,
): (session: SessionRow, packId: number, copies: NewCopy[]) => number[] {
  const lookUp = createLookUp(connection)
  const rows = createCopyRows(connection, damage)
  const countLive = createPackCounter(connection)
  const lease = createLeaser(connection)
  const countChunks = createChunkCounting(connection)
  return (session, packId, copies) => {
    const batch: Batch = {
      session,
      packId,
      ...lookUp(copies),
      leased: new Set(),
      nextStreamId: rows.nextStreamId(),
      addedCount: 0,
      addedBytes: 0,
      addedChunkBytes: 0,
    }
    for (const copy of copies) {
      const stream = batch.streams.get(streamKey(copy))
      const blob = stream ? keepStream(rows, batch, copy, stream) : addStream(rows, batch, copy)
      batch.blobs.set(copy.blob.digest, blob)
      batch.leased.add(blob.id)
    }
    lease(session.id, [...batch.leased])
    countLive([{ packId, count: batch.addedCount, bytes: batch.addedBytes }])
    countChunks(session.projectId, batch.addedChunkBytes)
    return [...batch.blobs.values()].flatMap(({ id, wasDamaged }) => (wasDamaged ? [id] : []))
  }
}

/** The stream is known: heals it if damaged, and makes sure that a blob holds the digest. */
function keepStream(rows: CopyRows, batch: Batch, copy: NewCopy, stream: KnownStream): KnownBlob {
  // A pack that is registered again cannot heal streams that lie in it.
  if (stream.state === streamState.damaged && stream.packId !== batch.packId) {
    rows.moveStream(stream, batch.packId, copy)
    countAdded(batch, copy)
    stream.state = streamState.live
  }
  const blob = batch.blobs.get(copy.blob.digest)
  if (blob?.id === stream.blobId) return blob
  // The stream's blob is being swept, so nothing holds it. The blob that has the digest now takes
  // over the stream.
  const newOwner = blob ?? insertBlob(rows, batch, copy, stream.id)
  rows.reassignStream.run(newOwner.id, stream.id)
  if (copy.codec !== 'joining' || newOwner.joiningState !== null) return newOwner
  rows.setJoining.run(stream.id, newOwner.id)
  return { ...newOwner, joiningState: streamState.live }
}

/** The stream is new: adds it to its blob, creating the blob if needed. */
function addStream(rows: CopyRows, batch: Batch, copy: NewCopy): KnownBlob {
  const blob = batch.blobs.get(copy.blob.digest)
  if (!blob) {
    const added = insertBlob(rows, batch, copy, batch.nextStreamId)
    insertStream(rows, batch, copy, added.id)
    return added
  }
  // A blob has one joining stream: a second one of the same content is dead weight, unless the
  // first is damaged.
  const joins = copy.codec === 'joining'
  if (joins && blob.joiningState === streamState.live) return blob
  const streamId = insertStream(rows, batch, copy, blob.id)
  if (!joins || blob.joiningState === streamState.damaged) return blob
  rows.setJoining.run(streamId, blob.id)
  return { ...blob, joiningState: streamState.live }
}

function insertBlob(rows: CopyRows, batch: Batch, copy: NewCopy, streamId: number): KnownBlob {
  const id = rows.insertBlob(batch.session.projectId, copy, streamId)
  batch.addedChunkBytes += copy.blob.sizeBytes
  const joiningState = copy.codec === 'joining' ? streamState.live : null
  return { id, joiningState, wasDamaged: false }
}

function insertStream(rows: CopyRows, batch: Batch, copy: NewCopy, blobId: number): number {
  const { packId, nextStreamId: id } = batch
  batch.nextStreamId += 1
  rows.insertStream({ id, blobId, packId }, copy)
  countAdded(batch, copy)
  const { lengthBytes } = copy
  const known = { id, blobId, packId, lengthBytes, state: streamState.live }
  batch.streams.set(streamKey(copy), known)
  return id
}

function countAdded(batch: Batch, copy: NewCopy): void {
  batch.addedCount += 1
  batch.addedBytes += copy.lengthBytes
}

type CopyRows = ReturnType<typeof createCopyRows>

/** Row operations of `createCopyRegistration`, inside its transaction. */
function createCopyRows(connection: Connection, damage: Damage) {
  const { prepare, now } = connection
  const countLive = createPackCounter(connection)
  const lastStream = prepare<[], { seq: number }>(
    "SELECT seq FROM sqlite_sequence WHERE name = 'streams'",
  )
  const insertStream = prepare<
    [number, Buffer, number, number, number, number, number, Uint8Array, number]
  >(
    `INSERT INTO streams (id, digest, codec, blob_id, pack_id, "offset", length_bytes, checks, state, verified_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ${streamState.live}, ?)`,
  )
  const insertBlob = prepare<[Buffer, number, number, number, number, number | null]>(
    `INSERT INTO blobs (digest, size_bytes, crc32, state, project_id, copy_stream_id, joining_stream_id, part_count, joined_bytes)
     VALUES (?, ?, ?, ${blobState.live}, ?, ?, ?, 0, 0)`,
  )
  const setJoining = prepare<[number, number]>(
    'UPDATE blobs SET joining_stream_id = ? WHERE id = ?',
  )
  const moveStream = prepare<[number, number, Uint8Array, number, number]>(
    `UPDATE streams SET pack_id = ?, "offset" = ?, checks = ?, verified_at = ?, state = ${streamState.live}
     WHERE id = ?`,
  )
  const reassignStream = prepare<[number, number]>('UPDATE streams SET blob_id = ? WHERE id = ?')
  return {
    /** An id that no stream has had; the following ids are free until the transaction ends. */
    nextStreamId: (): number => (lastStream.get()?.seq ?? 0) + 1,
    insertStream: (ids: { id: number; blobId: number; packId: number }, copy: NewCopy): void => {
      insertStream.run(
        ids.id,
        digestToBytes(copy.streamDigest),
        codecNumber[copy.codec],
        ids.blobId,
        ids.packId,
        copy.offset,
        copy.lengthBytes,
        copy.checks,
        now(),
      )
    },
    insertBlob: (projectId: number, { blob, codec }: NewCopy, streamId: number): number =>
      Number(
        insertBlob.run(
          digestToBytes(blob.digest),
          blob.sizeBytes,
          blob.crc32,
          projectId,
          streamId,
          codec === 'joining' ? streamId : null,
        ).lastInsertRowid,
      ),
    setJoining,
    /** Marks a damaged stream as sound at another place, and notes it so that its holders are
     *  judged again. */
    moveStream: (stream: KnownStream, packId: number, { offset, checks }: NewCopy): void => {
      countLive([{ packId: stream.packId, count: -1, bytes: -stream.lengthBytes }])
      moveStream.run(packId, offset, checks, now(), stream.id)
      damage.note(stream.id)
    },
    reassignStream,
  }
}

/** Returns a function that finds the known streams and blobs of copies. */
function createLookUp(
  connection: Connection,
): (copies: NewCopy[]) => Pick<Batch, 'streams' | 'blobs'> {
  const findStreams = prepareRows<
    [string],
    [
      index: number,
      codec: number,
      id: number,
      blobId: number,
      packId: number,
      lengthBytes: number,
      state: number,
    ]
  >(
    connection,
    'j.key, s.codec, s.id, s.blob_id, s.pack_id, s.length_bytes, s.state',
    'FROM json_each(?) j CROSS JOIN streams s ON s.digest = unhex(j.value)',
  )
  const findBlobs = prepareRows<
    [string],
    [index: number, id: number, state: number, joiningState: number | null]
  >(
    connection,
    'j.key, b.id, b.state, s.state',
    `FROM json_each(?) j
     CROSS JOIN blobs b ON b.digest = unhex(j.value) AND b.state < ${blobState.filling}
     LEFT JOIN streams s ON s.id = b.joining_stream_id`,
  )
  return (copies) => {
    const streams: Batch['streams'] = new Map()
    const streamDigests = copies.map((copy) => copy.streamDigest)
    for (const row of findStreams(JSON.stringify(streamDigests))) {
      const [index, codec, id, blobId, packId, lengthBytes, state] = row
      const key = streamKey({ streamDigest: streamDigests[index]!, codec: codecs[codec]! })
      streams.set(key, { id, blobId, packId, lengthBytes, state })
    }
    const blobs: Batch['blobs'] = new Map()
    const blobDigests = copies.map((copy) => copy.blob.digest)
    for (const [index, id, state, joiningState] of findBlobs(JSON.stringify(blobDigests))) {
      const wasDamaged = state === blobState.damaged || joiningState === streamState.damaged
      blobs.set(blobDigests[index]!, { id, joiningState, wasDamaged })
    }
    return { streams, blobs }
  }
}
