/** Copies that would die with certain artifacts. Blobs and streams that nobody else holds are gathered in temporary tables
 *  of this connection, which keep them apart by the number of the question.
 *
 *    1. Blobs of the manifests that nobody would hold any more, and those that wait for sweep, each asked about once.
 *    2. Of these the blobs that nothing else holds; when one is a composite, its parts are asked about too.
 *    3. Of the blobs that stay, the streams that only skeletons of the gone artifacts name. */
import type { Connection } from './connection.ts'
import { isIdle } from './sweep.ts'

/** A look-up costs about 2 µs, and a blob takes up to eight, and one for each manifest that dies and has it. */
const step = 250
/** A few milliseconds. */
const rowsForgotten = 2000
/** Blobs of one statement: files that every build has can be in thousands of manifests. */
const blobsAtOnce = 10

/** SQL that is true while artifact `a` would keep its rows. */
const isHolding = `(NOT EXISTS (SELECT 1 FROM temp.gone_artifacts g WHERE g.question = @question AND g.artifact_id = a.id)
  AND ((a.removed_at IS NULL AND a.ends_at > @expiredBy) OR a.releasable_at > @releasableBy))
  OR ((a.removed_at IS NULL OR a.releasable_at IS NOT NULL)
    AND EXISTS (SELECT 1 FROM read_leases l WHERE l.artifact_id = a.id AND l.until > @readBy))`

/** SQL that is true while manifest `m` would be held. */
const isManifestHeld = `(m.state = 0
  OR EXISTS (SELECT 1 FROM artifacts a WHERE a.manifest_id = m.id AND (${isHolding}))
  OR EXISTS (SELECT 1 FROM manifest_leases x WHERE x.manifest_id = m.id))`

/** SQL that is true while stream `s` would be named by a skeleton. */
const isNamed = `EXISTS (SELECT 1 FROM skeleton_streams k WHERE k.stream_id = s.id
  AND (EXISTS (SELECT 1 FROM artifacts a WHERE a.content_id = k.content_id AND (${isHolding}))
    OR EXISTS (SELECT 1 FROM sessions n WHERE n.id = k.content_id AND n.state = 0)))`

/** SQL that is true while a blob would be held by something other than a composite. */
function isHeldItself(blob: string): string {
  return `(EXISTS (SELECT 1 FROM "references" r CROSS JOIN manifests m ON m.id = r.manifest_id
      WHERE r.blob_id = ${blob}.id AND ${isManifestHeld})
    OR EXISTS (SELECT 1 FROM leases y CROSS JOIN sessions n ON n.id = y.session_id
      WHERE y.blob_id = ${blob}.id AND n.leased_until > @now)
    OR EXISTS (SELECT 1 FROM streams s WHERE s.blob_id = ${blob}.id AND ${isNamed}))`
}

const isHeld = `(${isHeldItself('b')}
  OR EXISTS (SELECT 1 FROM composite_parts c CROSS JOIN blobs q ON q.id = c.composite_id
    WHERE c.part_id = b.id AND ${isHeldItself('q')}))`

/** What is asked, as parameters of the statements. */
export interface Question {
  question: number
  expiredBy: number
  releasableBy: number
  readBy: number
  now: number
  [name: string]: number | string
}

/** Copies that would die, by the id of their pack. */
export type Dying = Map<number, { count: number; bytes: number }>

export interface DyingCopies {
  /** Adds to `dying` what would die with these manifests and contents of artifacts that are gone by the question, and with
   *  `garbage` what waits for sweep. The artifacts that it names are rows of `temp.gone_artifacts`. */
  gather(
    question: Question,
    from: { manifests: Set<number>; contents: Set<number>; garbage: boolean },
    dying: Dying,
  ): Promise<void>
  /** Drops the rows that the question has gathered, which can be millions. */
  forget(question: number): Promise<void>
}

export function createDyingCopies(connection: Connection): DyingCopies {
  prepareTables(connection)
  const statements = tables.map(([table, column]) =>
    connection.prepare<[number, number]>(
      `DELETE FROM temp.${table} WHERE question = ? AND ${column} IN
         (SELECT ${column} FROM temp.${table} WHERE question = ? LIMIT ${rowsForgotten})`,
    ),
  )
  return {
    gather: createGathering(connection),
    forget: async (question) => {
      for (const statement of statements)
        while (statement.run(question, question).changes > 0) await connection.turn()
    },
  }
}

const tables = [
  ['gone_artifacts', 'artifact_id'],
  ['asked_blobs', 'blob_id'],
  ['dying_blobs', 'blob_id'],
  ['dying_streams', 'stream_id'],
] as const

function prepareTables({ prepare }: Connection): void {
  for (const [table, column] of tables) {
    prepare(
      `CREATE TEMP TABLE IF NOT EXISTS ${table} (question INTEGER NOT NULL, ${column} INTEGER NOT NULL,
         PRIMARY KEY (question, ${column})) WITHOUT ROWID`,
    ).run()
  }
}

function createGathering(connection: Connection): DyingCopies['gather'] {
  const { prepare } = connection
  const addBlobs = createBlobGathering(connection)
  const addStreams = createStreamGathering(connection)
  const page = createPaging(connection)
  const isHeldManifest = prepare<[Question], { held: number }>(
    `SELECT ${isManifestHeld} AS held FROM manifests m WHERE m.id = @manifest`,
  )
  const referenced = page('"references"', 'manifest_id', 'blob_id')
  const touched = page('touched_blobs', null, 'blob_id')
  const named = page('skeleton_streams', 'content_id', 'stream_id')

  return async (parameters, { manifests, contents, garbage }, dying) => {
    const composites: number[] = []
    for (const manifest of manifests) {
      if (isHeldManifest.get({ ...parameters, manifest })?.held !== 0) continue
      for await (const ids of referenced(manifest)) {
        composites.push(...(await addBlobs(parameters, ids, dying)))
      }
    }
    if (garbage) {
      for await (const ids of touched(null))
        composites.push(...(await addBlobs(parameters, ids, dying)))
    }
    const parts = page('composite_parts', 'composite_id', 'ordinal', 'part_id')
    for (const composite of composites) {
      for await (const ids of parts(composite)) await addBlobs(parameters, ids, dying)
    }
    for (const content of contents) {
      for await (const ids of named(content)) addStreams.named(parameters, ids, dying)
    }
    for (const composite of composites) {
      for await (const ids of parts(composite)) addStreams.ofBlobs(parameters, ids, dying)
    }
    if (garbage) {
      for await (const ids of touched(null)) addStreams.ofBlobs(parameters, ids, dying)
    }
  }
}

/** Answers a function that walks the rows of a table in pages, by a key below an owner; gives the ids of a column. */
function createPaging({ prepare, turn }: Connection) {
  return (table: string, owner: string | null, key: string, column = key) => {
    const condition = owner === null ? '' : `${owner} = @owner AND`
    const statement = prepare<[object], { key: number; id: number }>(
      `SELECT ${key} AS key, ${column} AS id FROM ${table}
       WHERE ${condition} ${key} > @after ORDER BY ${key} LIMIT ${step}`,
    )
    return async function* (ownerId: number | null): AsyncGenerator<number[]> {
      for (let after = -1; ;) {
        const rows = statement.all({ after, ...(owner !== null && { owner: ownerId }) })
        if (rows.length === 0) return
        yield rows.map((row) => row.id)
        after = rows.at(-1)!.key
        await turn()
      }
    }
  }
}

/** Answers a function that notes which of these blobs nothing would hold, and counts their streams; gives the composites
 *  among them. */
function createBlobGathering({
  prepare,
  turn,
}: Connection): (parameters: Question, blobIds: number[], dying: Dying) => Promise<number[]> {
  // The answer for a blob is the same whichever reference leads to it.
  const ask = prepare<[Question], { id: number }>(
    `INSERT OR IGNORE INTO temp.asked_blobs (question, blob_id)
     SELECT @question, j.value FROM json_each(@ids) j RETURNING blob_id AS id`,
  )
  const note = prepare<[Question], { id: number }>(
    `INSERT OR IGNORE INTO temp.dying_blobs (question, blob_id)
     SELECT @question, b.id FROM json_each(@ids) j CROSS JOIN blobs b ON b.id = j.value
     WHERE NOT ${isHeld} RETURNING blob_id AS id`,
  )
  const streams = prepare<[string], PackSum>(
    `SELECT s.pack_id AS packId, count(*) AS count, sum(s.length_bytes) AS bytes
     FROM json_each(?) j CROSS JOIN streams s ON s.blob_id = j.value GROUP BY s.pack_id`,
  )
  const composites = prepare<[string], { id: number }>(
    'SELECT b.id FROM json_each(?) j CROSS JOIN blobs b ON b.id = j.value WHERE b.part_count > 0',
  )
  return async (parameters, blobIds, dying) => {
    const asked = ask.all({ ...parameters, ids: JSON.stringify(blobIds) })
    const ids: number[] = []
    for (let at = 0; at < asked.length; at += blobsAtOnce) {
      const some = asked.slice(at, at + blobsAtOnce).map((row) => row.id)
      const noted = note.all({ ...parameters, ids: JSON.stringify(some) })
      ids.push(...noted.map((row) => row.id))
      await turn()
    }
    const list = JSON.stringify(ids)
    addSums(dying, streams.all(list))
    return composites.all(list).map((row) => row.id)
  }
}

/** Streams beside the serving copy, of blobs that stay. */
function createStreamGathering({ prepare }: Connection): {
  named(parameters: Question, streamIds: number[], dying: Dying): void
  ofBlobs(parameters: Question, blobIds: number[], dying: Dying): void
} {
  const isJoined = `EXISTS (SELECT 1 FROM composite_parts c
    WHERE c.part_id = b.id AND NOT EXISTS (SELECT 1 FROM temp.dying_blobs d
      WHERE d.question = @question AND d.blob_id = c.composite_id))`
  const noteFrom = (source: string) =>
    prepare<[Question], { id: number }>(
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
  const sums = prepare<[string], PackSum>(
    `SELECT s.pack_id AS packId, count(*) AS count, sum(s.length_bytes) AS bytes
     FROM json_each(?) j CROSS JOIN streams s ON s.id = j.value GROUP BY s.pack_id`,
  )
  const count = (rows: { id: number }[], dying: Dying): void => {
    addSums(dying, sums.all(JSON.stringify(rows.map((row) => row.id))))
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

interface PackSum {
  packId: number
  count: number
  bytes: number
}

function addSums(dying: Dying, sums: PackSum[]): void {
  for (const { packId, count, bytes } of sums) {
    const known = dying.get(packId) ?? { count: 0, bytes: 0 }
    dying.set(packId, { count: known.count + count, bytes: known.bytes + bytes })
  }
}
