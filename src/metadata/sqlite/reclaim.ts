/** What would come back if certain artifacts were gone, answered by counting the very rows that sweep counts, without
 *  changing one. Blobs and streams that nobody else holds are gathered in temporary tables of this connection, which
 *  keep them apart by the number of the question.
 *
 *    1. Manifests that no artifact and no session would hold any more; their blobs, and those that wait for sweep.
 *    2. Of these the blobs that nothing else holds; when one is a composite, its parts are asked about too.
 *    3. Of the blobs that stay, the streams that only skeletons of the gone artifacts name.
 *
 *  Costs a few index look-ups for each reference of the artifacts, in steps that let other calls have their turn. */
import { limits } from '../../core/limits.ts'
import type { DyingPack, Metadata, RemovalQuestion } from '../metadata.ts'
import { occupancyColumns } from './compaction.ts'
import type { Connection } from './connection.ts'
import { isIdle } from './sweep.ts'

/** A look-up costs about 2 µs, and a blob takes up to eight. */
const step = 250

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

interface Parameters {
  question: number
  expiredBy: number
  releasableBy: number
  readBy: number
  now: number
  [name: string]: number | string
}

export function createReclaimMethods(connection: Connection): Pick<Metadata, 'measureRemoval'> {
  const { prepare } = connection
  prepareTables(connection)
  const gather = createGathering(connection)
  const sources = createSources(connection)
  const name = prepare<[number, string]>(
    `INSERT OR IGNORE INTO temp.gone_artifacts (question, artifact_id)
     SELECT ?, j.value FROM json_each(?) j`,
  )
  const forget = ['gone_artifacts', 'dying_blobs', 'dying_streams'].map((table) =>
    prepare<[number]>(`DELETE FROM temp.${table} WHERE question = ?`),
  )
  const occupancy = prepare<[string], Omit<DyingPack, 'dyingCount' | 'dyingBytes'>>(
    `SELECT ${occupancyColumns} FROM json_each(?) j CROSS JOIN packs p ON p.id = j.value`,
  )
  let questions = 0

  const describe = (dying: Dying): DyingPack[] => {
    const packs: DyingPack[] = []
    const ids = [...dying.keys()]
    for (let start = 0; start < ids.length; start += limits.transactionRowsMax) {
      const page = ids.slice(start, start + limits.transactionRowsMax)
      for (const pack of occupancy.all(JSON.stringify(page))) {
        const { count, bytes } = dying.get(pack.id)!
        packs.push({ ...pack, dyingCount: count, dyingBytes: bytes })
      }
    }
    return packs
  }

  return {
    measureRemoval: async (asked) => {
      const question = ++questions
      const parameters = parametersOf(question, asked)
      try {
        name.run(question, JSON.stringify(asked.artifactIds))
        const dying: Dying = new Map()
        const { manifests, contents, expired, released } = await sources.holders(asked)
        await gather(parameters, { manifests, contents, garbage: asked.garbage }, dying)
        return { expired, released, packs: describe(dying) }
      } finally {
        for (const statement of forget) statement.run(question)
      }
    },
  }
}

/** Copies that would die, by the id of their pack. */
type Dying = Map<number, { count: number; bytes: number }>

/** SQLite compares integers, so the end of time is one. */
const ever = Number.MAX_SAFE_INTEGER

function parametersOf(question: number, asked: RemovalQuestion): Parameters {
  return {
    question,
    expiredBy: asked.expiredBy,
    releasableBy: Math.min(asked.releasableBy, ever),
    readBy: asked.readersHold ? asked.now : ever,
    now: asked.now,
  }
}

function prepareTables({ prepare }: Connection): void {
  for (const [table, column] of [
    ['gone_artifacts', 'artifact_id'],
    ['dying_blobs', 'blob_id'],
    ['dying_streams', 'stream_id'],
  ] as const) {
    prepare(
      `CREATE TEMP TABLE IF NOT EXISTS ${table} (question INTEGER NOT NULL, ${column} INTEGER NOT NULL,
         PRIMARY KEY (question, ${column})) WITHOUT ROWID`,
    ).run()
  }
}

/** Finds what the artifacts of a question hold: manifests and contents, in no order. */
function createSources({ prepare, turn }: Connection): {
  holders(asked: RemovalQuestion): Promise<Holders>
} {
  const named = prepare<[string], HolderRow>(
    `SELECT a.manifest_id AS manifestId, a.content_id AS contentId
     FROM json_each(?) j CROSS JOIN artifacts a ON a.id = j.value`,
  )
  const expired = prepare<[number, number, number, number], HolderRow & Position>(
    `SELECT a.ends_at AS at, a.id, a.manifest_id AS manifestId, a.content_id AS contentId
     FROM artifacts a INDEXED BY artifacts_ending
     WHERE a.removed_at IS NULL AND a.ends_at <= ? AND (a.ends_at, a.id) > (?, ?)
     ORDER BY a.ends_at, a.id LIMIT ?`,
  )
  const releasable = prepare<[number, number, number, number], HolderRow & Position>(
    `SELECT a.releasable_at AS at, a.id, a.manifest_id AS manifestId, a.content_id AS contentId
     FROM artifacts a INDEXED BY artifacts_releasable
     WHERE a.releasable_at IS NOT NULL AND a.releasable_at <= ? AND (a.releasable_at, a.id) > (?, ?)
     ORDER BY a.releasable_at, a.id LIMIT ?`,
  )
  const dyingManifests = prepare<[], { id: number }>('SELECT id FROM manifests WHERE state = 3')
  const uncleared = prepare<[], HolderRow>(
    `SELECT manifest_id AS manifestId, content_id AS contentId FROM artifacts INDEXED BY artifacts_uncleared
     WHERE removed_at IS NOT NULL AND releasable_at IS NULL AND content_id IS NOT NULL`,
  )
  return {
    holders: async (asked) => {
      const manifests = new Set<number>()
      const contents = new Set<number>()
      const add = (row: HolderRow): void => {
        manifests.add(row.manifestId)
        if (row.contentId !== null) contents.add(row.contentId)
      }
      named.all(JSON.stringify(asked.artifactIds)).forEach(add)
      if (!asked.garbage) return { manifests, contents, expired: 0, released: 0 }
      const walk = async (statement: typeof expired, by: number): Promise<number> => {
        let count = 0
        for (let last: Position = { at: -1, id: 0 }; ;) {
          const rows = statement.all(by, last.at, last.id, limits.transactionRowsMax)
          if (rows.length === 0) return count
          rows.forEach(add)
          count += rows.length
          last = rows.at(-1)!
          await turn()
        }
      }
      const counts = {
        expired: await walk(expired, asked.expiredBy),
        released: await walk(releasable, Math.min(asked.releasableBy, ever)),
      }
      for (const { id } of dyingManifests.all()) manifests.add(id)
      uncleared.all().forEach(add)
      return { manifests, contents, ...counts }
    },
  }
}

interface Holders {
  manifests: Set<number>
  contents: Set<number>
  /** Artifacts among them that are live but past their time, and removed ones. */
  expired: number
  released: number
}
interface HolderRow {
  manifestId: number
  contentId: number | null
}
interface Position {
  at: number
  id: number
}

type Gathering = (
  parameters: Parameters,
  from: { manifests: Set<number>; contents: Set<number>; garbage: boolean },
  dying: Dying,
) => Promise<void>

function createGathering(connection: Connection): Gathering {
  const { prepare } = connection
  const addBlobs = createBlobGathering(connection)
  const addStreams = createStreamGathering(connection)
  const page = createPaging(connection)
  const isHeldManifest = prepare<[Parameters], { held: number }>(
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
        composites.push(...addBlobs(parameters, ids, dying))
      }
    }
    if (garbage) {
      for await (const ids of touched(null)) composites.push(...addBlobs(parameters, ids, dying))
    }
    const parts = page('composite_parts', 'composite_id', 'ordinal', 'part_id')
    for (const composite of composites) {
      for await (const ids of parts(composite)) addBlobs(parameters, ids, dying)
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
}: Connection): (parameters: Parameters, blobIds: number[], dying: Dying) => number[] {
  const note = prepare<[Parameters], { id: number }>(
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
  return (parameters, blobIds, dying) => {
    const ids = note.all({ ...parameters, ids: JSON.stringify(blobIds) }).map((row) => row.id)
    const list = JSON.stringify(ids)
    addSums(dying, streams.all(list))
    return composites.all(list).map((row) => row.id)
  }
}

/** Streams beside the serving copy, of blobs that stay. */
function createStreamGathering({ prepare }: Connection): {
  named(parameters: Parameters, streamIds: number[], dying: Dying): void
  ofBlobs(parameters: Parameters, blobIds: number[], dying: Dying): void
} {
  const isJoined = `EXISTS (SELECT 1 FROM composite_parts c
    WHERE c.part_id = b.id AND NOT EXISTS (SELECT 1 FROM temp.dying_blobs d
      WHERE d.question = @question AND d.blob_id = c.composite_id))`
  const noteFrom = (source: string) =>
    prepare<[Parameters], { id: number }>(
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
