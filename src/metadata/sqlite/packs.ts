/** Registering sealed packs: their copies become streams, and blobs that nobody had become known.
 *
 *  For each copy:
 *    1. its stream is known: the bytes in this pack are dead weight, unless the known ones are damaged; then the stream
 *       moves here, and everything that holds it is healed;
 *    2. its blob is known: the blob gains the stream. A blob whose own copy is damaged keeps the new one beside it, because
 *       the representations made from it change (invariant 6); taking it for its own is `healBlob`, of healing.ts;
 *    3. else blob and stream are new, and the stream is the blob's serving copy. */
import { blobState, packState, streamState } from '../../../schema/sqlite.ts'
import type { CopyCodec } from '../../core/copy.ts'
import { type Digest, digestToBytes } from '../../core/digest.ts'
import { limits } from '../../core/limits.ts'
import type { Metadata, NewCopy } from '../metadata.ts'
import { codecNumber, codecs } from './codecs.ts'
import type { Connection } from './connection.ts'
import type { Damage } from './damage.ts'
import { createPackCounter } from './pack-counters.ts'
import { prepareRows } from './rows.ts'
import { type SessionRow, createLeaser, createSessionFinder } from './sessions.ts'

type PackMethods = Pick<Metadata, 'addPack' | 'hasPack'>

interface KnownStreamRow {
  id: number
  blobId: number
  packId: number
  lengthBytes: number
  state: number
}

interface KnownBlobRow {
  id: number
  state: number
  /** State of its joining stream; null when it has none. */
  joiningState: number | null
}

export function createPackMethods(connection: Connection, damage: Damage): PackMethods {
  const { prepare, stage, turn } = connection
  const findSession = createSessionFinder(connection)
  const openPack = createPackOpening(connection)
  const registerCopies = createCopyRegistration(connection, damage)
  const markWhole = prepare<[number]>(`UPDATE packs SET state = ${packState.whole} WHERE id = ?`)
  const find = prepare<[string]>(`SELECT 1 FROM packs WHERE name = ?`)

  return {
    addPack: async (sessionName, pack, copies) => {
      for (let start = 0; ; start += limits.transactionRowsMax) {
        const end = start + limits.transactionRowsMax
        const isLast = end >= copies.length
        stage(() => {
          const session = findSession(sessionName)
          const packId = openPack(session, pack, copies)
          registerCopies(session, packId, copies.slice(start, end))
          if (isLast) markWhole.run(packId)
        })
        if (isLast) break
        await turn()
      }
      await damage.spread()
    },
    hasPack: async (name) => find.get(name) !== undefined,
  }
}

/** Answers a function that finds or creates the row of a pack, and gives its id. */
function createPackOpening({
  prepare,
  now,
}: Connection): (
  session: SessionRow,
  pack: { name: string; sizeBytes: number },
  copies: NewCopy[],
) => number {
  const find = prepare<[string], { id: number; state: number }>(
    'SELECT id, state FROM packs WHERE name = ?',
  )
  const insert = prepare<[string, number, number, number, number, number], { id: number }>(
    `INSERT INTO packs (name, size_bytes, state, session_id, copy_count, copy_bytes, live_count, live_bytes, created_at)
     VALUES (?, ?, ${packState.filling}, ?, ?, ?, 0, 0, ?) RETURNING id`,
  )
  const count = prepare<[number]>(
    'UPDATE totals SET packs = packs + 1, stored_bytes = stored_bytes + ? WHERE scope = 0',
  )
  return (session, { name, sizeBytes }, copies) => {
    const known = find.get(name)
    if (known?.state === packState.dead) throw new Error(`pack ${name} has been deleted already`)
    if (known) return known.id
    const copyBytes = copies.reduce((sum, copy) => sum + copy.lengthBytes, 0)
    count.run(sizeBytes)
    return insert.get(name, sizeBytes, session.id, copies.length, copyBytes, now())!.id
  }
}

type CopyRegistration = (session: SessionRow, packId: number, copies: NewCopy[]) => void

function createCopyRegistration(connection: Connection, damage: Damage): CopyRegistration {
  const { prepare } = connection
  const lookUp = createLookUp(connection)
  const rows = createCopyRows(connection)
  const countLive = createPackCounter(connection)
  const lease = createLeaser(connection)
  const countChunks = prepare<[number, number]>(
    'UPDATE totals SET chunk_bytes = chunk_bytes + ? WHERE scope IN (0, ?)',
  )

  return (session, packId, copies) => {
    const known = lookUp(copies)
    const leased = new Set<number>()
    let nextStreamId = rows.nextStreamId()
    let addedCount = 0
    let addedBytes = 0
    let addedChunkBytes = 0
    for (const copy of copies) {
      const stream = known.streams.get(streamKey(copy.streamDigest, copy.codec))
      const blob = known.blobs.get(copy.blob.digest)
      const registered = stream ? keepStream(stream, copy, blob) : addStream(copy, blob)
      known.blobs.set(copy.blob.digest, registered)
      leased.add(registered.id)
    }
    lease(session.id, [...leased])
    countLive(packId, addedCount, addedBytes)
    countChunks.run(addedChunkBytes, session.projectId)

    /** The stream is known: heals it if need be, and makes sure that a blob holds the digest. */
    function keepStream(
      stream: KnownStreamRow,
      copy: NewCopy,
      blob: KnownBlobRow | undefined,
    ): KnownBlobRow {
      if (stream.state === streamState.damaged && stream.packId !== packId) {
        countLive(stream.packId, -1, -stream.lengthBytes)
        rows.moveStream(stream.id, packId, copy)
        damage.note(stream.id)
        countHere(copy)
        stream.packId = packId
        stream.state = streamState.live
      }
      if (blob) {
        leased.add(stream.blobId)
        return blob
      }
      // The stream's blob is being swept, or gave its digest up: a new blob takes the stream over.
      const row = insertBlob(copy, stream.id)
      rows.giveStream(stream.id, row.id)
      return row
    }

    function addStream(copy: NewCopy, blob: KnownBlobRow | undefined): KnownBlobRow {
      const joins = copy.codec === 'joining'
      if (blob) {
        // A blob has one joining stream: another one of the same content is dead weight, unless the first is damaged.
        if (joins && blob.joiningState === streamState.live) return blob
        insertStream(copy, blob.id)
        if (!joins || blob.joiningState === streamState.damaged) return blob
        rows.setJoining(blob.id, nextStreamId - 1)
        return { ...blob, joiningState: streamState.live }
      }
      const row = insertBlob(copy, nextStreamId)
      insertStream(copy, row.id)
      return row
    }

    function insertBlob(copy: NewCopy, streamId: number): KnownBlobRow {
      const joins = copy.codec === 'joining'
      addedChunkBytes += copy.blob.sizeBytes
      return {
        id: rows.insertBlob(session.projectId, copy, streamId),
        state: blobState.live,
        joiningState: joins ? streamState.live : null,
      }
    }

    function insertStream(copy: NewCopy, blobId: number): void {
      const id = nextStreamId
      nextStreamId += 1
      rows.insertStream({ id, blobId, packId }, copy)
      const { lengthBytes } = copy
      const state = streamState.live
      known.streams.set(streamKey(copy.streamDigest, copy.codec), {
        id,
        blobId,
        packId,
        lengthBytes,
        state,
      })
      countHere(copy)
    }

    function countHere(copy: NewCopy): void {
      addedCount += 1
      addedBytes += copy.lengthBytes
    }
  }
}

function streamKey(digest: Digest, codec: CopyCodec): string {
  return `${codec} ${digest}`
}

/** Answers a function that finds what is known of copies: their streams by `streamKey`, their blobs by digest. */
function createLookUp(connection: Connection): (copies: NewCopy[]) => {
  streams: Map<string, KnownStreamRow>
  blobs: Map<Digest, KnownBlobRow>
} {
  const findStreams = prepareRows<[string], [index: number, codec: number, ...KnownStream]>(
    connection,
    'j.key, s.codec, s.id, s.blob_id, s.pack_id, s.length_bytes, s.state',
    'FROM json_each(?) j CROSS JOIN streams s ON s.digest = unhex(j.value)',
  )
  const findBlobs = prepareRows<[string], [index: number, ...KnownBlob]>(
    connection,
    'j.key, b.id, b.state, s.state',
    `FROM json_each(?) j
     CROSS JOIN blobs b ON b.digest = unhex(j.value) AND b.state < 2
     LEFT JOIN streams s ON s.id = b.joining_stream_id`,
  )
  return (copies) => {
    const streams = new Map<string, KnownStreamRow>()
    const streamDigests = copies.map((copy) => copy.streamDigest)
    for (const [index, codec, ...row] of findStreams(JSON.stringify(streamDigests))) {
      const [id, blobId, packId, lengthBytes, state] = row
      const known = { id, blobId, packId, lengthBytes, state }
      streams.set(streamKey(streamDigests[index]!, codecs[codec]!), known)
    }
    const blobs = new Map<Digest, KnownBlobRow>()
    const blobDigests = copies.map((copy) => copy.blob.digest)
    for (const [index, ...row] of findBlobs(JSON.stringify(blobDigests))) {
      const [id, state, joiningState] = row
      blobs.set(blobDigests[index]!, { id, state, joiningState })
    }
    return { streams, blobs }
  }
}

type KnownStream = [id: number, blobId: number, packId: number, lengthBytes: number, state: number]
type KnownBlob = [id: number, state: number, joiningState: number | null]

interface CopyRows {
  /** An id that no stream has had; the next ones follow it until the transaction ends. */
  nextStreamId(): number
  insertStream(ids: { id: number; blobId: number; packId: number }, copy: NewCopy): void
  insertBlob(projectId: number, copy: NewCopy, streamId: number): number
  setJoining(blobId: number, streamId: number): void
  moveStream(streamId: number, packId: number, copy: NewCopy): void
  giveStream(streamId: number, blobId: number): void
}

function createCopyRows({ prepare, now }: Connection): CopyRows {
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
  const giveStream = prepare<[number, number]>('UPDATE streams SET blob_id = ? WHERE id = ?')
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
    moveStream: (streamId, packId, { offset, checks }) => {
      moveStream.run(packId, offset, checks, now(), streamId)
    },
    giveStream: (streamId, blobId) => {
      giveStream.run(blobId, streamId)
    },
  }
}
