/** The rows that make up a copy. */
import type { NewCopy } from '../../../core/bytes/copy.ts'
import { digestToBytes } from '../../../core/bytes/digest.ts'
import { codecNumber } from '../connection/codecs.ts'
import type { Connection } from '../connection/connection.ts'
import type { Damage } from './damage.ts'
import { createPackCounter } from './pack-counters.ts'

/** Row operations of `createCopyRegistration`, inside its transaction. */
export interface CopyRows {
  /** An id that no stream has had; the following ids are free until the transaction ends. */
  nextStreamId(): number
  insertStream(ids: { id: number; blobId: number; packId: number }, copy: NewCopy): void
  insertBlob(projectId: number, copy: NewCopy, streamId: number): number
  setJoining(blobId: number, streamId: number): void
  /** Marks a damaged stream as sound at another place, and notes it so that its holders are
   *  judged again. */
  moveStream(
    stream: { id: number; packId: number; lengthBytes: number },
    packId: number,
    copy: NewCopy,
  ): void
  reassignStream(streamId: number, blobId: number): void
}

export function createCopyRows(connection: Connection, damage: Damage): CopyRows {
  const { prepare, now } = connection
  const countLive = createPackCounter(connection)
  const lastStream = prepare<[], { seq: number }>(
    "SELECT seq FROM sqlite_sequence WHERE name = 'streams'",
  )
  const insertStream = prepare<
    [number, Buffer, number, number, number, number, number, Uint8Array, number]
  >(
    `INSERT INTO streams (id, digest, codec, blob_id, pack_id, "offset", length_bytes, checks, state, verified_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, ?)`,
  )
  const insertBlob = prepare<[Buffer, number, number, number, number, number | null]>(
    `INSERT INTO blobs (digest, size_bytes, crc32, state, project_id, copy_stream_id, joining_stream_id, part_count, joined_bytes)
     VALUES (?, ?, ?, 0, ?, ?, ?, 0, 0)`,
  )
  const setJoining = prepare<[number, number]>(
    'UPDATE blobs SET joining_stream_id = ? WHERE id = ?',
  )
  const moveStream = prepare<[number, number, Uint8Array, number, number]>(
    `UPDATE streams SET pack_id = ?, "offset" = ?, checks = ?, verified_at = ?, state = 0 WHERE id = ?`,
  )
  const reassignStream = prepare<[number, number]>('UPDATE streams SET blob_id = ? WHERE id = ?')
  return {
    nextStreamId: () => (lastStream.get()?.seq ?? 0) + 1,
    insertStream: ({ id, blobId, packId }, copy) => {
      insertStream.run(
        id,
        digestToBytes(copy.streamDigest),
        codecNumber[copy.codec],
        blobId,
        packId,
        copy.offset,
        copy.lengthBytes,
        copy.checks,
        now(),
      )
    },
    insertBlob: (projectId, { blob, codec }, streamId) =>
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
    setJoining: (blobId, streamId) => {
      setJoining.run(streamId, blobId)
    },
    moveStream: (stream, packId, { offset, checks }) => {
      countLive(stream.packId, -1, -stream.lengthBytes)
      moveStream.run(packId, offset, checks, now(), stream.id)
      damage.note(stream.id)
    },
    reassignStream: (streamId, blobId) => {
      reassignStream.run(blobId, streamId)
    },
  }
}
