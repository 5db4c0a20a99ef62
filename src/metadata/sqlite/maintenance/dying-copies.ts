/** Finds the copies that would die with certain artifacts. Everything that can be as long as the
 *  store is in temporary tables of this connection, whose rows carry the number of the question.
 *
 *    1. Of the manifests asked about, collect those without another holder.
 *    2. Take their blobs, those that wait for sweep, and those that sessions past their lease still
 *       name, and check each once.
 *    3. Keep the blobs without another holder. If one is a composite, check its parts too.
 *    4. Of the blobs that stay, add the streams named only by skeletons of the gone artifacts. */
import type { Connection } from '../connection/connection.ts'
import { isBlobHeld, isManifestHeld, isNamed, type Question } from './holding.ts'
import { createNoting, createPaging, createUncheckedPaging, eachOf } from './question-walks.ts'
import { isIdle } from './sweep.ts'

/** Rows deleted per statement, which takes a few milliseconds. */
const rowsForgotten = 2000

/** Copies that would die, by the id of their pack. */
export type Dying = Map<number, { count: number; bytes: number }>

export interface DyingCopies {
  /** Adds to `dying` what would die with the manifests and contents of gone artifacts, which are
   *  rows of `temp.asked_manifests` and `temp.asked_contents`; with `garbage`, also what waits for
   *  sweep, and what the sessions of these contents lease. The artifacts assumed gone by name are
   *  rows of `temp.gone_artifacts`.
   *  Errors: the abort reason of `signal`. */
  gather(
    question: Question,
    options: { garbage: boolean; signal: AbortSignal | undefined },
    dying: Dying,
  ): Promise<void>
  /** Deletes the temporary rows of the question, which can be millions. */
  forget(question: number): Promise<void>
}

export function createDyingCopies(connection: Connection): DyingCopies {
  const { prepare, turn } = connection
  const forgetting = tables.map(([table, column]) => {
    prepare(
      `CREATE TEMP TABLE IF NOT EXISTS ${table} (question INTEGER NOT NULL, ${column} INTEGER NOT NULL,
         PRIMARY KEY (question, ${column})) WITHOUT ROWID`,
    ).run()
    return prepare<[number]>(`DELETE FROM temp.${table} WHERE question = ? LIMIT ${rowsForgotten}`)
  })
  return {
    gather: createGathering(connection),
    forget: async (question) => {
      for (const statement of forgetting) while (statement.run(question).changes > 0) await turn()
    },
  }
}

const tables = [
  ['gone_artifacts', 'artifact_id'],
  ['asked_manifests', 'manifest_id'],
  ['asked_contents', 'content_id'],
  ['gone_manifests', 'manifest_id'],
  ['asked_blobs', 'blob_id'],
  ['dying_blobs', 'blob_id'],
  ['dying_composites', 'blob_id'],
  ['dying_streams', 'stream_id'],
] as const

function createGathering(connection: Connection): DyingCopies['gather'] {
  const addBlobs = createBlobGathering(connection)
  const addStreams = createStreamGathering(connection)
  const page = createPaging(connection)
  const pageUnchecked = createUncheckedPaging(connection)
  const uncheckedReferenced = pageUnchecked('"references"', 'manifest_id', 'blob_id')
  const uncheckedLeased = pageUnchecked('leases', 'session_id', 'blob_id')
  const uncheckedTouched = pageUnchecked('touched_blobs', null, 'blob_id')
  const uncheckedParts = pageUnchecked('composite_parts', 'composite_id', 'ordinal', 'part_id')
  const touched = page('touched_blobs', null, 'blob_id')
  const parts = page('composite_parts', 'composite_id', 'ordinal', 'part_id')
  const leased = page('leases', 'session_id', 'blob_id')
  const named = page('skeleton_streams', 'content_id', 'stream_id')
  const askedManifests = page('temp.asked_manifests', 'question', 'manifest_id')
  const askedContents = page('temp.asked_contents', 'question', 'content_id')
  const goneManifests = page('temp.gone_manifests', 'question', 'manifest_id')
  const dyingComposites = page('temp.dying_composites', 'question', 'blob_id')
  // Each manifest is judged once, whatever its number of artifacts, and not once per blob.
  const noteGone = createNoting(
    connection,
    `INSERT OR IGNORE INTO temp.gone_manifests (question, manifest_id)
     SELECT @question, m.id FROM json_each(@ids) j CROSS JOIN manifests m ON m.id = j.value
     WHERE NOT ${isManifestHeld} RETURNING manifest_id AS id`,
  )

  return async (parameters, { garbage, signal }, dying) => {
    const { question } = parameters
    for await (const manifests of askedManifests(question)) {
      signal?.throwIfAborted()
      await noteGone(parameters, manifests)
    }
    for await (const manifest of eachOf(goneManifests(question), signal)) {
      for await (const ids of uncheckedReferenced(parameters, manifest))
        await addBlobs(parameters, ids, dying)
    }
    if (garbage) {
      for await (const ids of uncheckedTouched(parameters, null)) {
        signal?.throwIfAborted()
        await addBlobs(parameters, ids, dying)
      }
      // A content has the id of the session that staged it.
      for await (const session of eachOf(askedContents(question), signal)) {
        for await (const ids of uncheckedLeased(parameters, session))
          await addBlobs(parameters, ids, dying)
      }
    }
    for await (const composite of eachOf(dyingComposites(question), signal)) {
      for await (const ids of uncheckedParts(parameters, composite))
        await addBlobs(parameters, ids, dying)
    }
    for await (const content of eachOf(askedContents(question), signal)) {
      for await (const ids of named(content)) addStreams.named(parameters, ids, dying)
    }
    for await (const composite of eachOf(dyingComposites(question), signal)) {
      for await (const ids of parts(composite)) addStreams.ofBlobs(parameters, ids, dying)
    }
    if (garbage) {
      for await (const ids of touched(null)) addStreams.ofBlobs(parameters, ids, dying)
      for await (const session of eachOf(askedContents(question), signal)) {
        for await (const ids of leased(session)) addStreams.ofBlobs(parameters, ids, dying)
      }
    }
  }
}

/** Returns a function that records which of these blobs would have no holder, and which of those
 *  are composites, and counts their streams. */
function createBlobGathering(
  connection: Connection,
): (parameters: Question, blobIds: number[], dying: Dying) => Promise<void> {
  const note = createNoting(
    connection,
    `INSERT OR IGNORE INTO temp.dying_blobs (question, blob_id)
     SELECT @question, b.id FROM json_each(@ids) j CROSS JOIN blobs b ON b.id = j.value
     WHERE NOT ${isBlobHeld} RETURNING blob_id AS id`,
  )
  const addStreamsOf = createStreamSumming(connection, 'blob_id')
  const noteComposites = connection.prepare<[number, string]>(
    `INSERT OR IGNORE INTO temp.dying_composites (question, blob_id)
     SELECT ?, b.id FROM json_each(?) j CROSS JOIN blobs b ON b.id = j.value WHERE b.part_count > 0`,
  )
  return async (parameters, blobIds, dying) => {
    const noted = await note(parameters, blobIds)
    if (noted.length === 0) return
    const ids = JSON.stringify(noted)
    addStreamsOf(ids, dying)
    noteComposites.run(parameters.question, ids)
  }
}

/** Streams other than the serving copy, of blobs that stay. */
function createStreamGathering(connection: Connection): {
  named(parameters: Question, streamIds: number[], dying: Dying): void
  ofBlobs(parameters: Question, blobIds: number[], dying: Dying): void
} {
  const isJoined = `EXISTS (SELECT 1 FROM composite_parts c
    WHERE c.part_id = b.id AND NOT EXISTS (SELECT 1 FROM temp.dying_blobs d
      WHERE d.question = @question AND d.blob_id = c.composite_id))`
  const noteFrom = (source: string) =>
    connection.prepare<[Question], { id: number }>(
      `INSERT OR IGNORE INTO temp.dying_streams (question, stream_id)
       SELECT @question, s.id ${source}
       WHERE NOT EXISTS (SELECT 1 FROM temp.dying_blobs d WHERE d.question = @question AND d.blob_id = b.id)
         AND NOT EXISTS (SELECT 1 FROM leases y CROSS JOIN sessions n ON n.id = y.session_id
           WHERE y.blob_id = b.id AND n.leased_until > @now)
         AND ${isIdle({ isJoined, isNamed })}
       RETURNING stream_id AS id`,
    )
  const fromStreams = noteFrom(`FROM json_each(@ids) j CROSS JOIN streams s ON s.id = j.value
    CROSS JOIN blobs b ON b.id = s.blob_id`)
  const fromBlobs = noteFrom(`FROM json_each(@ids) j CROSS JOIN blobs b ON b.id = j.value
    CROSS JOIN streams s ON s.blob_id = b.id`)
  const addStreams = createStreamSumming(connection, 'id')
  const count = (rows: { id: number }[], dying: Dying): void => {
    addStreams(JSON.stringify(rows.map(({ id }) => id)), dying)
  }
  return {
    named: (parameters, streamIds, dying) => {
      count(fromStreams.all({ ...parameters, ids: JSON.stringify(streamIds) }), dying)
    },
    ofBlobs: (parameters, blobIds, dying) => {
      count(fromBlobs.all({ ...parameters, ids: JSON.stringify(blobIds) }), dying)
    },
  }
}

/** Returns a function that adds to the dying the streams with these values of a column (as a
 *  JSON array). */
function createStreamSumming(
  { prepare }: Connection,
  column: 'id' | 'blob_id',
): (values: string, dying: Dying) => void {
  const sums = prepare<[string], { packId: number; count: number; bytes: number }>(
    `SELECT s.pack_id AS packId, count(*) AS count, sum(s.length_bytes) AS bytes
     FROM json_each(?) j CROSS JOIN streams s ON s.${column} = j.value GROUP BY s.pack_id`,
  )
  return (values, dying) => {
    for (const { packId, count, bytes } of sums.all(values)) {
      const known = dying.get(packId) ?? { count: 0, bytes: 0 }
      dying.set(packId, { count: known.count + count, bytes: known.bytes + bytes })
    }
  }
}
