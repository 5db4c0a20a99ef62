/** Damage and healing. When a stream turns out bad, or its bytes arrive again, the state of its
 *  blob, of composites over that blob and of the artifacts that hold any of them can change. The
 *  stream is noted in the transaction that changes it, and the consequences are applied in short
 *  steps; after a crash the note makes the next call start over.
 *
 *  An artifact is damaged while its manifest refers to an unreadable blob or its skeleton names
 *  a damaged stream. */
import { manifestState } from '../../../../schema/artifacts.ts'
import { streamState, unreadableStates } from '../../../../schema/content.ts'
import type { Metadata } from '../../metadata.ts'
import type { Connection } from '../connection/connection.ts'
import { createBlobJudging, prepareDamagedCount } from './blob-judging.ts'

export interface Damage extends Pick<Metadata, 'markDamaged'> {
  /** Inside a transaction: notes that the stream's state has changed. */
  note(streamId: number): void
  /** Inside a transaction: sets whether a live artifact is damaged. */
  judge(artifactId: number): void
  /** Updates everything that depends on noted streams. */
  spread(): Promise<void>
}

const pageRows = 200
/** Manifests looked at in one step. Those of removed artifacts hold none that is judged. */
const pageManifests = 20
/** Upper bound on counting the streams of a skeleton, to compare with the number of damaged
 *  streams. */
const comparedMax = 4096

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
  // A stream that changed again in the meantime, perhaps in another thread, keeps its note and is
  // processed again.
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
  const spread = async (): Promise<void> => {
    for (let next = nextNote.get(); next; next = nextNote.get()) {
      const { streamId, times } = next
      await spreadStream(streamId)
      stage(() => removeNote.run(streamId, times))
    }
  }
  return {
    note,
    judge: createArtifactJudging(connection),
    spread,
    markDamaged: async ({ streamId, offset, packName }) => {
      write(() => {
        if (setDamaged.run(streamId, offset, packName).changes > 0) note(streamId)
      })
      await spread()
    },
  }
}

/** An artifact that holds a blob; also the cursor among such artifacts. With the id 0, only the
 *  latter. */
interface Holder {
  projectId: number
  manifestId: number
  id: number
}

function createSpreading(connection: Connection): (streamId: number) => Promise<void> {
  const { prepare, stage, stageSteps, turn } = connection
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
  // Once a blob is sound, sweep keeps neither the stream that it had nor one that could heal it.
  const touchBlob = prepare<[number]>(
    `INSERT OR IGNORE INTO touched_blobs (blob_id) SELECT b.id FROM blobs b
     WHERE b.id = ? AND EXISTS (SELECT 1 FROM streams s WHERE s.blob_id = b.id AND s.id IS NOT b.copy_stream_id)`,
  )
  // Goes manifest by manifest: ordered by artifact, each page would have to scan all of them.
  const manifestAfter = prepare<[number, number, number], Omit<Holder, 'id'>>(
    `SELECT project_id AS projectId, manifest_id AS manifestId
     FROM "references" INDEXED BY references_by_blob
     WHERE blob_id = ? AND (project_id, manifest_id) > (?, ?) ORDER BY project_id, manifest_id LIMIT 1`,
  )
  const artifactsOfManifest = prepare<[number, number], { id: number }>(
    `SELECT id FROM artifacts INDEXED BY artifacts_by_manifest
     WHERE manifest_id = ? AND id > ? AND removed_at IS NULL ORDER BY id LIMIT ${pageRows}`,
  )
  const artifactsOfBlob = (blobId: number, last: Holder): Holder[] => {
    let at = last
    for (let count = 0; count < pageManifests; count++) {
      const { projectId, manifestId, id } = at
      const rows = artifactsOfManifest.all(manifestId, id)
      if (rows.length > 0) return rows.map((row) => ({ projectId, manifestId, id: row.id }))
      const next = manifestAfter.get(blobId, projectId, manifestId)
      if (next === undefined) return []
      at = { ...next, id: 0 }
    }
    return [at]
  }
  const artifactsOfStream = prepare<[number, number], { id: number; contentId: number }>(
    `SELECT iif(a.removed_at IS NULL, a.id, 0) AS id, k.content_id AS contentId
     FROM skeleton_streams k CROSS JOIN artifacts a ON a.content_id = k.content_id
     WHERE k.stream_id = ? AND k.content_id > ?
     ORDER BY k.content_id LIMIT ${pageRows}`,
  )

  /** Calls `act` for every row that has an id, in short transactions. */
  const forEach = async <Row extends { id: number }>(
    page: (last: Row | undefined) => Row[],
    act: (id: number) => void,
  ): Promise<void> => {
    let last: Row | undefined
    let rows: Row[] = []
    let at = 0
    const step = (): boolean => {
      if (at === rows.length) [rows, at] = [page(last), 0]
      last = rows[at++] ?? last
      if (rows.length === 0) return false
      if (last!.id > 0) act(last!.id)
      return true
    }
    while (stageSteps(step)) await turn()
  }

  return async (streamId) => {
    const blob = findBlob.get(streamId)
    if (!blob) return
    const blobIds: number[] = []
    const collect = (id: number): void => {
      judgeBlob(id)
      touchBlob.run(id)
      blobIds.push(id)
    }
    if (blob.serves) stage(() => collect(blob.id))
    else if (blob.joins) stage(() => touchBlob.run(blob.id))
    if (blob.joins) {
      await forEach<{ id: number }>((last) => compositesAfter.all(blob.id, last?.id ?? 0), collect)
    }
    const none: Holder = { projectId: 0, manifestId: 0, id: 0 }
    for (const id of blobIds)
      await forEach<Holder>((last) => artifactsOfBlob(id, last ?? none), judgeArtifact)
    await forEach<{ id: number; contentId: number }>(
      (last) => artifactsOfStream.all(streamId, last?.contentId ?? 0),
      judgeArtifact,
    )
  }
}

function createArtifactJudging(connection: Connection): (artifactId: number) => void {
  const { prepare } = connection
  const find = prepare<[number], JudgedArtifact>(
    `SELECT a.manifest_id AS manifestId, a.content_id AS contentId, m.file_count AS fileCount
     FROM artifacts a CROSS JOIN manifests m ON m.id = a.manifest_id WHERE a.id = ?`,
  )
  const areBlobsDamaged = createBlobSearch(connection)
  const areStreamsDamaged = createStreamSearch(connection)
  const setState = prepare<[string, number]>(
    'UPDATE artifacts SET state = ? WHERE id = ? AND removed_at IS NULL',
  )
  // The manifest stays with its artifacts, but nothing new may depend on it.
  const retire = prepare<[number]>(
    `UPDATE manifests SET state = ${manifestState.retired} WHERE id = ? AND state = ${manifestState.live}`,
  )
  return (artifactId) => {
    const artifact = find.get(artifactId)!
    const blobDamaged = areBlobsDamaged(artifact)
    const isDamaged = blobDamaged || areStreamsDamaged(artifact)
    setState.run(isDamaged ? 'damaged' : 'available', artifactId)
    if (blobDamaged) retire.run(artifact.manifestId)
  }
}

interface JudgedArtifact {
  manifestId: number
  contentId: number | null
  fileCount: number
}

type DamageSearch = (artifact: JudgedArtifact) => boolean

/** Whether a manifest refers to damaged blobs. There are usually few, and the search starts from
 *  them; after the loss of a disk it starts from the manifest. */
function createBlobSearch({ prepare }: Connection): DamageSearch {
  const countDamaged = prepare<[number], { count: number }>(
    `SELECT count(*) AS count
     FROM (SELECT 1 FROM blobs INDEXED BY blobs_damaged WHERE state IN ${unreadableStates} LIMIT ?)`,
  )
  const amongDamaged = prepare<[number]>(
    `SELECT 1 FROM blobs b INDEXED BY blobs_damaged
     CROSS JOIN "references" r ON r.manifest_id = ? AND r.blob_id = b.id
     WHERE b.state IN ${unreadableStates} LIMIT 1`,
  )
  const amongReferences = prepare<[number]>(
    `SELECT 1 FROM "references" r CROSS JOIN blobs b ON b.id = r.blob_id
     WHERE r.manifest_id = ? AND b.state IN ${unreadableStates} LIMIT 1`,
  )
  return ({ manifestId, fileCount }) => {
    const areFew = countDamaged.get(fileCount)!.count < fileCount
    return (areFew ? amongDamaged : amongReferences).get(manifestId) !== undefined
  }
}

/** The same for the streams that a skeleton names. */
function createStreamSearch({ prepare }: Connection): DamageSearch {
  const countNamed = prepare<[number | null], { count: number }>(
    `SELECT count(*) AS count FROM (SELECT 1 FROM skeleton_streams WHERE content_id = ? LIMIT ${comparedMax})`,
  )
  const countDamaged = prepareDamagedCount(prepare)
  const amongDamaged = prepare<[number | null]>(
    `SELECT 1 FROM streams s INDEXED BY streams_damaged
     CROSS JOIN skeleton_streams k ON k.content_id = ? AND k.stream_id = s.id
     WHERE s.state = ${streamState.damaged} LIMIT 1`,
  )
  const amongNamed = prepare<[number | null]>(
    `SELECT 1 FROM skeleton_streams k CROSS JOIN streams s ON s.id = k.stream_id
     WHERE k.content_id = ? AND s.state = ${streamState.damaged} LIMIT 1`,
  )
  return ({ contentId }) => {
    const named = countNamed.get(contentId)!.count
    if (named === 0) return false
    const areFew = countDamaged.get(named)!.count < named
    return (areFew ? amongDamaged : amongNamed).get(contentId) !== undefined
  }
}
