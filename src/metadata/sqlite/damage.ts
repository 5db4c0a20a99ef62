/** Damage and healing. A stream that turns out bad (or comes again) changes what its blob is worth, composites over that
 *  blob, and the artifacts that hold any of them. The stream is noted in the transaction that changes it, and what
 *  follows is worked off in short steps; after a crash the note makes the next call start over.
 *
 *  An artifact is damaged while its manifest refers to an unreadable blob or its skeleton names a damaged stream. */
import { manifestState } from '../../../schema/artifacts.ts'
import { blobState, streamState } from '../../../schema/content.ts'
import type { Metadata } from '../metadata.ts'
import type { Connection } from './connection.ts'

export interface Damage extends Pick<Metadata, 'markDamaged'> {
  /** Inside a transaction: remembers that the stream's state has changed. */
  note(streamId: number): void
  /** Inside a transaction: sets whether a live artifact is damaged. */
  judge(artifactId: number): void
  /** Brings everything that depends on noted streams up to date; gives the live artifacts that hold any. */
  spread(): Promise<number[]>
}

const pageRows = 200

export function createDamage(connection: Connection): Damage {
  const { prepare, write, stage } = connection
  const spreadStream = createSpreading(connection)
  const insertNote = prepare<[number]>(
    `INSERT INTO altered_streams (stream_id) VALUES (?)
     ON CONFLICT DO UPDATE SET times = times + 1`,
  )
  const nextNote = prepare<[], { streamId: number; times: number }>(
    'SELECT stream_id AS streamId, times FROM altered_streams LIMIT 1',
  )
  // One that has altered again meanwhile, maybe in another thread, is worked off again.
  const removeNote = prepare<[number, number]>(
    'DELETE FROM altered_streams WHERE stream_id = ? AND times = ?',
  )
  const setDamaged = prepare<[number, number, string]>(
    `UPDATE streams SET state = ${streamState.damaged}
     WHERE id = ? AND "offset" = ? AND pack_id = (SELECT p.id FROM packs p WHERE p.name = ?)`,
  )

  const note = (streamId: number): void => {
    insertNote.run(streamId)
  }
  const spread = async (): Promise<number[]> => {
    const artifactIds = new Set<number>()
    for (let next = nextNote.get(); next; next = nextNote.get()) {
      const { streamId, times } = next
      for (const id of await spreadStream(streamId)) artifactIds.add(id)
      stage(() => removeNote.run(streamId, times))
    }
    return [...artifactIds].toSorted((a, b) => a - b)
  }
  return {
    note,
    judge: createArtifactJudging(connection),
    spread,
    markDamaged: async ({ streamId, offset, packName }) => {
      write(() => {
        if (setDamaged.run(streamId, offset, packName).changes > 0) note(streamId)
      })
      return await spread()
    },
  }
}

function createSpreading(connection: Connection): (streamId: number) => Promise<number[]> {
  const { prepare, stage, turn } = connection
  const judgeArtifact = createArtifactJudging(connection)
  const findBlob = prepare<[number], { id: number; serves: number; joins: number }>(
    `SELECT b.id, b.copy_stream_id IS s.id AS serves, b.joining_stream_id IS s.id AS joins
     FROM streams s CROSS JOIN blobs b ON b.id = s.blob_id WHERE s.id = ?`,
  )
  const compositesAfter = prepare<[number, number], { id: number }>(
    `SELECT DISTINCT composite_id AS id FROM composite_parts
     WHERE part_id = ? AND composite_id > ? ORDER BY composite_id LIMIT ${pageRows}`,
  )
  const judgeBlob = createBlobJudging(connection)
  const artifactsOfBlob = prepare<[number, number], { id: number }>(
    `SELECT DISTINCT a.id FROM "references" r CROSS JOIN artifacts a ON a.manifest_id = r.manifest_id
     WHERE r.blob_id = ? AND a.removed_at IS NULL AND a.id > ? ORDER BY a.id LIMIT ${pageRows}`,
  )
  const artifactsOfStream = prepare<[number, number], { id: number }>(
    `SELECT DISTINCT a.id FROM skeleton_streams k CROSS JOIN artifacts a ON a.content_id = k.content_id
     WHERE k.stream_id = ? AND a.removed_at IS NULL AND a.id > ? ORDER BY a.id LIMIT ${pageRows}`,
  )

  /** Calls `act` for every row, a page per transaction. */
  const forEachId = async (
    page: (after: number) => { id: number }[],
    act: (id: number) => void,
  ): Promise<void> => {
    for (let after: number | undefined = 0; after !== undefined;) {
      const from: number = after
      after = stage(() => {
        const rows = page(from)
        for (const { id } of rows) act(id)
        return rows.at(-1)?.id
      })
      await turn()
    }
  }

  return async (streamId) => {
    const touched: number[] = []
    const judge = (artifactId: number): void => {
      judgeArtifact(artifactId)
      touched.push(artifactId)
    }
    const blob = findBlob.get(streamId)
    if (!blob) return []
    const blobIds: number[] = []
    const collect = (id: number): void => {
      judgeBlob(id)
      blobIds.push(id)
    }
    if (blob.serves) stage(() => collect(blob.id))
    if (blob.joins) {
      await forEachId((after) => compositesAfter.all(blob.id, after), collect)
    }
    for (const id of blobIds) await forEachId((after) => artifactsOfBlob.all(id, after), judge)
    await forEachId((after) => artifactsOfStream.all(streamId, after), judge)
    return touched
  }
}

/** Answers a function that sets whether a blob can be read, from the state of its own copies. */
function createBlobJudging({ prepare }: Connection): (blobId: number) => void {
  const isUnreadable = prepare<[number], { unreadable: number }>(
    `SELECT CASE WHEN b.copy_stream_id IS NULL
       THEN EXISTS (SELECT 1 FROM composite_parts c
         CROSS JOIN blobs q ON q.id = c.part_id
         CROSS JOIN streams s ON s.id = q.joining_stream_id
         WHERE c.composite_id = b.id AND s.state = ${streamState.damaged})
       ELSE EXISTS (SELECT 1 FROM streams s
         WHERE s.id = b.copy_stream_id AND s.state = ${streamState.damaged})
       END AS unreadable
     FROM blobs b WHERE b.id = ?`,
  )
  const setDamaged = prepare<[number]>(
    `UPDATE blobs SET state = iif(state < 2, ${blobState.damaged}, ${blobState.goneDamaged})
     WHERE id = ? AND state IN (0, 3)`,
  )
  const setReadable = prepare<[number]>(
    `UPDATE blobs SET state = iif(state < 2, ${blobState.live}, ${blobState.gone})
     WHERE id = ? AND state IN (1, 4)`,
  )
  return (blobId) => {
    const judged = isUnreadable.get(blobId)
    if (judged) (judged.unreadable ? setDamaged : setReadable).run(blobId)
  }
}

function createArtifactJudging({ prepare }: Connection): (artifactId: number) => void {
  // Damaged blobs and streams are few, so the search begins with them and not with the manifest.
  const judge = prepare<
    [number],
    { manifestId: number; blobDamaged: number; streamDamaged: number }
  >(
    `SELECT a.manifest_id AS manifestId,
       EXISTS (SELECT 1 FROM blobs b INDEXED BY blobs_damaged
         CROSS JOIN "references" r ON r.manifest_id = a.manifest_id AND r.blob_id = b.id
         WHERE b.state IN (1, 4)) AS blobDamaged,
       EXISTS (SELECT 1 FROM streams s INDEXED BY streams_damaged
         CROSS JOIN skeleton_streams k ON k.content_id = a.content_id AND k.stream_id = s.id
         WHERE s.state = 1) AS streamDamaged
     FROM artifacts a WHERE a.id = ?`,
  )
  const setState = prepare<[string, number]>(
    'UPDATE artifacts SET state = ? WHERE id = ? AND removed_at IS NULL',
  )
  // It stays with its artifacts, but nothing new is to depend on it.
  const retire = prepare<[number]>(
    `UPDATE manifests SET state = ${manifestState.retired} WHERE id = ? AND state = 1`,
  )
  return (artifactId) => {
    const { manifestId, blobDamaged, streamDamaged } = judge.get(artifactId)!
    setState.run(blobDamaged || streamDamaged ? 'damaged' : 'available', artifactId)
    if (blobDamaged) retire.run(manifestId)
  }
}
